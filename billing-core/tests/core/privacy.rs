//! Personal data is where it belongs and nowhere else (K2).

use std::fmt::Write;

use billing_core::change::Change;
use billing_core::ledger::Outcome;
use billing_core::mirror::{FanOut, SqlMirror};
use jiff::Timestamp;
use serde_json::{Value, json};
use test_database::{TestDatabase, dump};

use crate::arbitrary::BASE;
use crate::bodies;
use crate::canary::{Listener, address, assert_is_silent, canary};
use crate::test_ledger::{TestLedger, policy};

/// A person in every field that Stripe has for one, also those that we don't read.
fn person(id: &str) -> Value {
    json!({
        "id": id, "object": "customer", "email": canary("email@example.com"), "name": canary("name"),
        "phone": canary("phone"), "description": canary("description"),
        "address": address(),
        "shipping": { "name": canary("shipping"), "address": { "line1": canary("shipping-line") } },
        "metadata": { "note": canary("metadata") },
    })
}

/// Bodies that hold personal data, and what comes of each.
fn bodies() -> Vec<(Value, Outcome)> {
    let event = |number: u32, event_type: &str, object: Value| {
        bodies::event(&format!("evt_{number}"), event_type, BASE, object)
    };
    let subscription = json!({
        "id": "sub_1", "object": "subscription", "customer": person("cus_1"), "status": "active",
        "description": canary("of-subscription"), "items": { "data": [
            { "price": { "id": "price_unheard_of", "nickname": canary("nickname") }, "quantity": 1,
              "current_period_end": BASE + 60 }] },
    });
    let invoice = json!({
        "id": "in_1", "object": "invoice", "customer": person("cus_1"), "status": "open",
        "customer_email": canary("of-invoice"), "customer_name": canary("of-invoice-name"),
        "created": BASE, "attempt_count": 1, "account_name": canary("account"), "subscription": "sub_1",
    });
    let mut unreadable = subscription.clone();
    unreadable["items"] = canary("items");
    let mut odd_address = person("cus_1");
    odd_address["address"]["line1"] = json!([canary("list")]);
    let mut contradiction = event(2, "customer.subscription.updated", subscription.clone());
    contradiction["data"]["object"]["status"] = json!("unpaid");
    let mut moved = person("cus_1");
    moved["email"] = canary("second@example.com");
    vec![
        (
            event(1, "customer.created", person("cus_1")),
            Outcome::Applied,
        ),
        (
            event(2, "customer.subscription.updated", subscription.clone()),
            Outcome::Applied,
        ),
        (contradiction, Outcome::Duplicate),
        (
            event(3, "invoice.payment_failed", invoice),
            Outcome::Applied,
        ),
        (
            event(4, "customer.subscription.updated", unreadable),
            Outcome::Quarantined,
        ),
        (
            event(5, "customer.updated", odd_address),
            Outcome::Quarantined,
        ),
        (
            event(
                6,
                "checkout.session.completed",
                json!({ "object": "checkout.session",
            "id": "cs_1", "customer_details": person("cus_1") }),
            ),
            Outcome::Ignored,
        ),
        (
            event(
                7,
                "charge.refunded",
                json!({ "id": "ch_1", "billing_details": person("x") }),
            ),
            Outcome::Ignored,
        ),
        (
            event(8, "customer.updated", moved.clone()),
            Outcome::Applied,
        ),
        (event(9, "customer.deleted", moved), Outcome::Applied),
    ]
}

#[tokio::test]
async fn personal_data_is_in_billing_customer_and_nowhere_else_k2() {
    let listener = Listener::new();
    let ledger = TestLedger::start().await;
    let now = Timestamp::from_second(BASE).unwrap();
    let mut said = String::new();
    for (body, outcome) in bodies() {
        let event = bodies::decode(body.to_string()).unwrap();
        let change = Change::from_event(&event, &policy(), now);
        write!(said, "{event:?} {change:?} {:?}", event.facts_digest()).unwrap();
        assert_eq!(ledger.ingest(&event, now).await, outcome, "{body}");
    }
    assert_is_silent("a debug print", &said);
    let engine = ledger.database.engine();
    let mirror_database = TestDatabase::new(engine);
    let mirror = SqlMirror::create(mirror_database.url()).await.unwrap();
    let fan_out = FanOut::new(ledger.store.clone(), mirror.clone(), "worker-1");
    assert!(fan_out.pass(now).await.unwrap().sent > 0);
    let mirror_pool = mirror_database.connect().await;
    let mirrored = format!("{:?}", dump(&mirror_pool, engine).await);
    assert_is_silent("the mirror", &mirrored);
    mirror_pool.close().await;
    mirror.close().await;
    listener.assert_no_canary_is_out(&ledger).await;
    assert!(listener.has_heard_the_ledger());
    let customers = dump(&ledger.pool, engine).await["billing_customer"].concat();
    ledger.stop().await;
    let holds = |name| customers.contains(canary(name).as_str().unwrap());
    let in_use = [
        "second@example.com",
        "name",
        "line1",
        "line2",
        "city",
        "state",
        "postal",
        "country",
    ];
    for name in in_use {
        assert!(holds(name), "{name}");
    }
    for name in ["phone", "description", "shipping", "metadata", "of-invoice"] {
        assert!(!holds(name), "{name} is nobody's business");
    }
}
