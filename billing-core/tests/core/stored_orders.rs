//! Orders of delivery through the ledger, on the chosen store (O1): many copies of histories in one
//! database, each delivered in an order of its own, end as the pure functions say and as the model.

use std::collections::BTreeMap;
use std::time::Instant;

use billing_core::event::Event;
use billing_core::ledger::{Capacity, Command};
use futures::future::join_all;

use crate::history::{Case, History, Moment, Terms, after};
use crate::shuffle::{Shuffle, all_orders, permutations};
use crate::state::State;
use crate::tag::Tag;
use crate::test_ledger::TestLedger;

/// Copies whose deliveries come mixed with each other's: some batches have several of one account.
const MIXED: usize = 100;
/// Histories of all lengths that are delivered, unless all are asked for.
const SAMPLE: usize = 250;
/// Events of a history that is delivered in every order.
const SHORT: usize = 6;
/// Such histories, and how many are delivered when all orders are asked for.
const SHORT_HISTORIES: usize = 2;
const MORE_SHORT_HISTORIES: usize = 50;

/// One history, delivered in one order.
#[derive(Debug, Clone)]
pub(crate) struct Copy<'a> {
    pub(crate) name: &'a str,
    pub(crate) events: &'a [Event],
    /// Indices of events.
    pub(crate) order: Vec<usize>,
    /// What must follow, at one moment or at several, one after the other.
    pub(crate) at: &'a [Moment],
}

/// A ledger with copies of histories.
struct Copies<'a> {
    ledger: TestLedger,
    copies: Vec<(Tag, Copy<'a>)>,
}

impl Copies<'_> {
    /// Delivers everything at the first moment of each copy.
    async fn deliver(&self, shuffle: &mut Shuffle) {
        for copies in self.copies.chunks(MIXED) {
            let mut pending = Vec::new();
            for (number, (_, copy)) in copies.iter().enumerate() {
                pending.extend(copy.order.iter().map(|_| number));
            }
            let mut orders: Vec<_> = copies.iter().map(|(_, copy)| copy.order.iter()).collect();
            let commits = shuffle.shuffled(&pending).into_iter().map(|number| {
                let (tag, copy) = &copies[number];
                let event = &copy.events[*orders[number].next().unwrap()];
                let now = after(copy.at[0].0);
                self.ledger.ledger.ingest(tag.on_event(event), now)
            });
            for outcome in join_all(commits).await {
                outcome.unwrap();
            }
        }
    }

    /// Lets time come to a later moment of each copy.
    async fn settle(&self, moment: usize) {
        for copies in self.copies.chunks(MIXED) {
            let commits = copies.iter().flat_map(|(tag, copy)| {
                let at = copy.at.get(moment).into_iter();
                at.flat_map(move |Moment(now, _, mirrors)| {
                    let owners = mirrors.keys().map(|owner| tag.on_customer(owner));
                    owners.map(|owner| (Command::Settle(owner), after(*now)))
                })
            });
            let commits = commits.map(|(command, now)| self.ledger.ledger.commit(command, now));
            for outcome in join_all(commits).await {
                outcome.unwrap();
            }
        }
    }

    /// Compares what is stored with what must follow, and copies of one history with each other.
    async fn compare(&self, moment: usize) {
        let mut states = State::of(&self.ledger).await.apart();
        let mut firsts = BTreeMap::new();
        for (tag, copy) in &self.copies {
            let Some(expected) = copy.at.get(moment) else {
                continue;
            };
            let state = states.remove(tag).unwrap_or_default();
            let told = state.told(expected.0);
            assert_eq!(told, *expected, "{} as {:?}", copy.name, copy.order);
            // The same moments are of the same case.
            let first = firsts.entry(copy.at.as_ptr());
            let first = first.or_insert_with(|| state.clone());
            assert_eq!(state, *first, "{} as {:?}", copy.name, copy.order);
        }
    }
}

/// Delivers copies, and says how long that took.
pub(crate) async fn check(terms: Terms, copies: Vec<Copy<'_>>, shuffle: &mut Shuffle) {
    let begun = Instant::now();
    let deliveries: usize = copies.iter().map(|copy| copy.order.len()).sum();
    let moments = copies.iter().map(|copy| copy.at.len()).max();
    let count = copies.len();
    let capacity = Capacity {
        waiting: 1 << 14,
        ..Capacity::default()
    };
    let ledger = TestLedger::start_with(terms.policy(), capacity).await;
    let tags = (0..).map(Tag);
    let copies = Copies {
        ledger,
        copies: tags.zip(copies).collect(),
    };
    copies.deliver(shuffle).await;
    let delivered = begun.elapsed();
    copies.compare(0).await;
    for moment in 1..moments.unwrap_or_default() {
        copies.settle(moment).await;
        copies.compare(moment).await;
    }
    copies.ledger.stop().await;
    let all = begun.elapsed();
    eprintln!("{count} orders, {deliveries} deliveries in {delivered:.1?}, all in {all:.1?}");
}

/// Histories with copies of their cases, by the terms that they are delivered under.
fn by_terms<'a>(cases: Vec<(&'a History, &'a Case, Vec<usize>)>) -> BTreeMap<Terms, Vec<Copy<'a>>> {
    let mut copies = BTreeMap::<Terms, Vec<Copy<'_>>>::new();
    for (history, case, order) in cases {
        copies.entry(history.terms).or_default().push(Copy {
            name: &history.name,
            events: &history.events,
            order,
            at: &case.at,
        });
    }
    copies
}

#[tokio::test]
async fn histories_end_the_same_through_the_ledger_o1_a1_a6() {
    let mut shuffle = Shuffle::new();
    eprintln!("{shuffle}");
    let mut histories: Vec<_> = History::all().iter().collect();
    if !all_orders() {
        histories = shuffle.shuffled(&histories);
        histories.truncate(SAMPLE);
    }
    let mut cases = Vec::new();
    for history in histories {
        for case in &history.cases {
            let arriving = case.arriving(history.events.len());
            cases.extend([(); 2].map(|()| (history, case, shuffle.with_duplicates(&arriving))));
        }
    }
    for (terms, copies) in by_terms(cases) {
        check(terms, copies, &mut shuffle).await;
    }
}

#[tokio::test]
async fn all_orders_of_a_short_history_end_the_same_through_the_ledger_o1() {
    let mut shuffle = Shuffle::new();
    eprintln!("{shuffle}");
    let histories = History::all().iter();
    let short: Vec<_> = histories.filter(|h| h.events.len() == SHORT).collect();
    let mut short = shuffle.shuffled(&short);
    short.truncate(if all_orders() {
        MORE_SHORT_HISTORIES
    } else {
        SHORT_HISTORIES
    });
    for history in short {
        let orders = permutations(SHORT).into_iter();
        let orders =
            orders.map(|order| (history, &history.cases[0], shuffle.with_one_again(order)));
        for (terms, copies) in by_terms(orders.collect()) {
            check(terms, copies, &mut shuffle).await;
        }
    }
}
