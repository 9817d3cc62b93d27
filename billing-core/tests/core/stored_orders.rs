//! Orders of delivery through the ledger, on the chosen store (O1): many copies of histories in one
//! database, each delivered in an order of its own, end as the pure functions say and as the model.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use billing_core::event::Event;
use billing_core::ledger::{Capacity, Command};
use futures::future::join_all;

use crate::canary::Listener;
use crate::history::{Case, History, Moment, Terms, after};
use crate::shuffle::{Shuffle, all_orders, permutations};
use crate::state::State;
use crate::tag::Tag;
use crate::test_ledger::TestLedger;

/// Copies whose deliveries come mixed with each other's: some batches have several of one account.
const MIXED: usize = 100;
/// Copies that share a database, and perhaps those of one history more.
const TOGETHER: usize = 5000;
/// Histories of all lengths that are delivered, unless all are asked for.
const SAMPLE: usize = 250;
/// The most events of a history that is delivered in every order.
const SHORT: usize = 6;
/// Such histories, and orders of each of their cases, unless all are asked for.
const SHORT_SAMPLE: usize = 20;
const ORDERS_SAMPLE: usize = 24;

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

/// How much was delivered.
#[derive(Debug, Default)]
pub(crate) struct Count {
    orders: usize,
    deliveries: usize,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.orders += other.orders;
        self.deliveries += other.deliveries;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, deliveries } = self;
        write!(formatter, "{orders} orders, {deliveries} deliveries")
    }
}

/// Delivers copies, and says how long that took.
pub(crate) async fn check(terms: Terms, copies: Vec<Copy<'_>>, shuffle: &mut Shuffle) -> Count {
    let begun = Instant::now();
    let count = Count {
        orders: copies.len(),
        deliveries: copies.iter().map(|copy| copy.order.len()).sum(),
    };
    let moments = copies.iter().map(|copy| copy.at.len()).max();
    let capacity = Capacity {
        waiting: 1 << 14,
        ..Capacity::default()
    };
    let listener = Listener::new();
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
    listener.assert_no_canary_is_out(&copies.ledger).await;
    copies.ledger.stop().await;
    let all = begun.elapsed();
    eprintln!("{count} in {delivered:.1?}, all in {all:.1?}");
    count
}

/// Copies that wait until there are enough for a database, and what was delivered so far.
#[derive(Default)]
struct Waiting<'a> {
    /// By the terms that they are delivered under.
    copies: BTreeMap<Terms, Vec<Copy<'a>>>,
    delivered: Count,
}

impl<'a> Waiting<'a> {
    /// Takes all copies of a history: they are compared with each other, so they stay together.
    async fn take(&mut self, terms: Terms, copies: Vec<Copy<'a>>, shuffle: &mut Shuffle) {
        let waiting = self.copies.entry(terms).or_default();
        waiting.extend(copies);
        if waiting.len() >= TOGETHER {
            let count = check(terms, std::mem::take(waiting), shuffle).await;
            self.delivered.add(count);
        }
    }

    /// Delivers the rest.
    async fn end(mut self, shuffle: &mut Shuffle) -> Count {
        for (terms, copies) in self.copies {
            self.delivered.add(check(terms, copies, shuffle).await);
        }
        self.delivered
    }
}

impl History {
    fn copy<'a>(&'a self, case: &'a Case, order: Vec<usize>) -> Copy<'a> {
        Copy {
            name: &self.name,
            events: &self.events,
            order,
            at: &case.at,
        }
    }

    /// Each case in every order, or in some, with a duplicate.
    fn in_orders(&self, shuffle: &mut Shuffle) -> Vec<Copy<'_>> {
        let mut copies = Vec::new();
        for case in &self.cases {
            let arriving = case.arriving(self.events.len());
            let mut orders = permutations(arriving.len());
            if !all_orders() {
                orders = shuffle.shuffled(&orders);
                orders.truncate(ORDERS_SAMPLE);
            }
            copies.extend(orders.into_iter().map(|order| {
                let order = order.into_iter().map(|at| arriving[at]).collect();
                self.copy(case, shuffle.with_one_again(order))
            }));
        }
        copies
    }
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
    let mut waiting = Waiting::default();
    for history in histories {
        let mut copies = Vec::new();
        for case in &history.cases {
            let arriving = case.arriving(history.events.len());
            copies.extend([(); 2].map(|()| history.copy(case, shuffle.with_duplicates(&arriving))));
        }
        waiting.take(history.terms, copies, &mut shuffle).await;
    }
    eprintln!("{}", waiting.end(&mut shuffle).await);
}

#[tokio::test]
async fn all_orders_of_a_short_history_end_the_same_through_the_ledger_o1() {
    let mut shuffle = Shuffle::new();
    eprintln!("{shuffle}");
    let histories = History::all().iter();
    let mut short: Vec<_> = histories.filter(|h| h.events.len() <= SHORT).collect();
    if !all_orders() {
        short = shuffle.shuffled(&short);
        short.truncate(SHORT_SAMPLE);
    }
    let mut waiting = Waiting::default();
    let count = short.len();
    for history in short {
        let copies = history.in_orders(&mut shuffle);
        waiting.take(history.terms, copies, &mut shuffle).await;
    }
    let delivered = waiting.end(&mut shuffle).await;
    eprintln!("{count} histories, {delivered}");
}
