//! Three days of events that could not be delivered, all at once and the newest first (O1).

use std::collections::BTreeMap;
use std::time::Instant;

use billing_core::event::Event;
use billing_core::ledger::{Capacity, Outcome};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::accounts::Accounts;
use crate::arbitrary::{BASE, DAY};
use crate::bodies::{self, Shape};
use crate::canary::Listener;
use crate::history::{after, told};
use crate::state::State;
use crate::test_ledger::{TestLedger, policy};

const EVENTS: i64 = 10_000;
const DAYS: i64 = 3;
/// Events of one customer.
const EACH: i64 = 20;

/// A customer's months, faster than in life: renewals that fail, and are paid; one in three ends.
fn event(number: i64) -> Event {
    let (customer, step) = (number % (EVENTS / EACH), number / (EVENTS / EACH));
    let (subscription, invoice) = (
        format!("sub_{customer}"),
        format!("in_{customer}x{}", step / 4),
    );
    let created = BASE + number * DAYS * DAY / EVENTS;
    let id = format!("evt_{}", EVENTS - number);
    let state = |status: &str| {
        json!({ "customer": format!("cus_{customer}"), "status": status, "prices": ["price_pro"],
            "end": BASE + (30 + step / 4) * DAY, "subscription": subscription,
            "created": BASE + step / 4, "finalized": BASE + step / 4, "attempts": 1 })
    };
    let of_subscription = |kind: &str, before: &str, status: &str| {
        let [before, after] =
            [before, status].map(|status| Shape::Basil.subscription(&subscription, &state(status)));
        let kind = format!("customer.subscription.{kind}");
        let mut body = bodies::event(&id, &kind, created, after.clone());
        if kind.ends_with("updated") {
            body["data"]["previous_attributes"] = bodies::previous_attributes(&before, &after);
        }
        body
    };
    let of_invoice = |kind: &str, status: &str| {
        let object = Shape::Basil.invoice(&invoice, &state(status));
        bodies::event(&id, &format!("invoice.{kind}"), created, object)
    };
    let body = match step % 4 {
        0 if step == 0 => of_subscription("created", "active", "active"),
        _ if step == EACH - 1 && customer % 3 == 0 => {
            of_subscription("deleted", "past_due", "canceled")
        }
        0 => of_invoice("payment_failed", "open"),
        1 => of_subscription("updated", "active", "past_due"),
        2 => of_invoice("paid", "paid"),
        _ => of_subscription("updated", "past_due", "active"),
    };
    bodies::decode(body.to_string()).unwrap()
}

/// What the invoices' rows must be by the pure functions.
fn invoices_of(accounts: &Accounts) -> BTreeMap<String, Value> {
    let mut rows = BTreeMap::new();
    for account in accounts.0.values() {
        for (id, invoice) in &account.invoices {
            let mut row = json!(invoice);
            row["stripe_customer_id"] = json!(account.id);
            row["stripe_invoice_id"] = json!(id);
            rows.insert(row["stripe_invoice_id"].to_string(), row);
        }
    }
    rows
}

#[tokio::test]
async fn a_backlog_of_three_days_ends_the_same_with_the_newest_first_o1() {
    let events: Vec<Event> = (0..EVENTS).map(event).collect();
    let now = DAYS * DAY;
    let mut accounts = Accounts::default();
    for event in &events {
        accounts.take(event, &policy(), after(now));
    }
    let capacity = Capacity {
        waiting: usize::try_from(EVENTS).unwrap(),
        ..Capacity::default()
    };
    let listener = Listener::new();
    let ledger = TestLedger::start_with(policy(), capacity).await;
    let begun = Instant::now();
    let newest_first = events.into_iter().rev();
    let commits = newest_first.map(|event| ledger.ledger.ingest(event, after(now)));
    let outcomes = join_all(commits).await;
    let elapsed = begun.elapsed();
    let mut stale = 0;
    for outcome in outcomes {
        match outcome.unwrap() {
            Outcome::Applied => {}
            Outcome::Stale => stale += 1,
            other => panic!("none was {other:?}"),
        }
    }
    let engine = ledger.database.engine();
    eprintln!("{EVENTS} events in {elapsed:.1?} on {engine:?}, {stale} of them stale");
    let state = State::of(&ledger).await;
    assert_eq!(state.told(now), told(&accounts, &policy(), now));
    let stored = state.0["billing_invoice"].iter();
    let stored: BTreeMap<_, _> = stored
        .map(|row| (row["stripe_invoice_id"].to_string(), row.clone()))
        .collect();
    assert_eq!(stored, invoices_of(&accounts));
    listener.assert_no_canary_is_out(&ledger).await;
    ledger.stop().await;
}
