//! Looks through Stripe's API among the events of histories, of which some never come (O4).

use std::collections::BTreeMap;

use billing_core::event::{Event, Facts, Look, Snapshot, StateVector};
use billing_core::id::{CustomerId, StripeCustomerId, SubscriptionId};
use billing_core::ledger::Command;
use billing_core::store::SubscriptionRow;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::arbitrary::BASE;
use crate::bodies;
use crate::history::History;
use crate::refresh::look;
use crate::shuffle::{Shuffle, all_orders};
use crate::test_ledger::TestLedger;

/// Histories that are looked into, unless all are asked for.
const SAMPLE: usize = 150;

impl TestLedger {
    /// What is stored of the subscriptions of a history.
    async fn subscriptions_of(&self, life: &Life) -> BTreeMap<SubscriptionId, SubscriptionRow> {
        let mut found = BTreeMap::new();
        for customer in self.rows("billing_customer").await {
            let account = customer["stripe_customer_id"].as_str().unwrap();
            if life
                .objects
                .iter()
                .all(|object| object["customer"] != account)
            {
                continue;
            }
            let owner = match customer["queue_customer_id"].as_str() {
                Some(owner) => CustomerId::parse(owner).unwrap(),
                None => CustomerId::unbound(&StripeCustomerId::parse(account).unwrap()),
            };
            let rows = self.store.records_of(&owner).await.unwrap().subscriptions;
            found.extend(
                rows.into_iter()
                    .map(|row| (row.stripe_subscription_id.clone(), row)),
            );
        }
        found
    }
}

/// A history's events and objects under ids that no other has.
struct Life {
    events: Vec<Event>,
    /// Each event's object, as it was after it.
    objects: Vec<Value>,
}

impl Life {
    fn of(history: &History, number: usize) -> Self {
        let renamed = |body: &Value| {
            let mut text = body.to_string();
            for kind in ["sub_", "in_", "cus_", "evt_"] {
                text = text.replace(&format!("\"{kind}"), &format!("\"{kind}{number}x"));
            }
            text
        };
        let bodies = history.bodies();
        let events = bodies
            .iter()
            .map(|body| bodies::decode(renamed(body)).unwrap());
        let object = |body| serde_json::from_str(&renamed(body)).unwrap();
        Self {
            events: events.collect(),
            objects: bodies
                .iter()
                .map(|body| &body["data"]["object"])
                .map(object)
                .collect(),
        }
    }

    /// What Stripe shows of a subscription after so many events: every invoice that there is, and itself.
    fn shown(&self, after: usize, id: &SubscriptionId, look: Look) -> Vec<Snapshot> {
        let mut latest = BTreeMap::new();
        for object in &self.objects[..after] {
            latest.insert(object["id"].as_str().unwrap(), object);
        }
        let Some(subscription) = latest.get(id.as_str()) else {
            return Vec::new();
        };
        let owes = ["past_due", "unpaid"]
            .iter()
            .any(|status| subscription["status"] == *status);
        let invoices = latest
            .values()
            .filter(|object| object["object"] == "invoice");
        let mut shown: Vec<Snapshot> = invoices
            .filter(|invoice| invoice["customer"] == subscription["customer"])
            .map(|invoice| {
                let mut invoice = (*invoice).clone();
                invoice["attempted"] = json!(invoice["attempt_count"] != 0);
                let decode = if owes {
                    Snapshot::decode_owed
                } else {
                    Snapshot::decode
                };
                decode(invoice.to_string().as_bytes(), look).unwrap()
            })
            .collect();
        shown.push(Snapshot::decode(subscription.to_string().as_bytes(), look).unwrap());
        shown
    }

    /// The state in which each subscription ended.
    fn truth(&self) -> BTreeMap<SubscriptionId, StateVector> {
        let mut truth = BTreeMap::new();
        for event in &self.events {
            if let Facts::Subscription(facts) = &event.facts {
                truth.insert(facts.id.clone(), facts.post.clone());
            }
        }
        truth
    }
}

/// What arrives: an event, or what was seen of a subscription.
#[derive(Debug, Clone)]
enum Arrival {
    Event(usize),
    Look(SubscriptionId, Vec<Snapshot>),
}

/// However many events before a look were lost for ever, and in whatever order the rest arrives around it: no
/// subscription ends in another state than Stripe has without being marked.
#[tokio::test]
async fn around_a_look_nothing_is_wrong_without_being_marked_o4() {
    let mut shuffle = Shuffle::new();
    let ledger = TestLedger::start().await;
    let (mut right, mut marked) = (0, 0);
    let histories = shuffle.shuffled(&History::all().iter().collect::<Vec<_>>());
    let sample = if all_orders() {
        histories.len()
    } else {
        SAMPLE
    };
    for (number, history) in histories.into_iter().take(sample).enumerate() {
        let life = Life::of(history, number);
        let truth = life.truth();
        let begin = life
            .events
            .iter()
            .filter_map(|event| event.created)
            .min()
            .unwrap();
        let end = life
            .events
            .iter()
            .filter_map(|event| event.created)
            .max()
            .unwrap();
        // Stripe is asked between two events, or after the last; and once more, earlier.
        let mut looked = [0; 2].map(|_| shuffle.among(1..=life.events.len()));
        looked.sort_unstable();
        let before = looked[1];
        let looks = looked.map(|before| {
            let read_at = life.events[before - 1].created.unwrap().seconds() - BASE;
            let true_at = read_at - shuffle.among(1..=12);
            let until = read_at + shuffle.among(0..=3);
            (before, look(true_at.max(begin.seconds() - BASE), until))
        });
        let kept =
            (0..life.events.len()).filter(|index| *index >= before || shuffle.among(0..=1) == 0);
        let mut arrivals: Vec<Arrival> = kept.map(Arrival::Event).collect();
        for (id, (before, look)) in truth.keys().flat_map(|id| looks.map(|look| (id, look))) {
            let shown = life.shown(before, id, look);
            if !shown.is_empty() {
                arrivals.push(Arrival::Look(id.clone(), shown));
            }
        }
        let now = Timestamp::from_second(end.seconds()).unwrap() + SignedDuration::from_hours(1);
        for arrival in shuffle.shuffled(&arrivals) {
            match arrival {
                Arrival::Event(index) => {
                    ledger.ingest(&life.events[index], now).await;
                }
                Arrival::Look(id, snapshots) => {
                    // Some looks nobody asked for.
                    let mark = ledger.marks().await.remove(id.as_str());
                    let mark = mark.filter(|_| shuffle.among(0..=3) > 0);
                    let command = Command::Refresh { snapshots, mark };
                    ledger.ledger.commit(command, now).await.unwrap();
                }
            }
        }
        let marks = ledger.marks().await;
        let stored = ledger.subscriptions_of(&life).await;
        for (id, state) in truth {
            let Some(row) = stored.get(&id) else { continue };
            let settled = row.record.settle().unwrap().state;
            let over = row.record.terminal && state.status.is_terminal();
            let is_marked = marks.contains_key(id.as_str());
            assert!(
                *settled == state || over || is_marked,
                "{shuffle}\n{} looked at after {before} events: {id} is {settled:?}, and should be {state:?}",
                history.name
            );
            right += usize::from(!is_marked);
            marked += usize::from(is_marked);
        }
        // The next history finds no marks of this one.
        for mark in marks.into_values() {
            ledger.looks(Vec::new(), &mark).await;
        }
    }
    println!("{right} subscriptions right, {marked} marked");
    assert!(
        2 * right > marked,
        "{shuffle}\na third at least ends without a mark: {right} did, {marked} did not"
    );
}
