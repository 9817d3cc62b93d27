//! Personal data is where it belongs and nowhere else (K2).

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use billing_core::change::Change;
use billing_core::ledger::Outcome;
use billing_core::mirror::{FanOut, SqlMirror};
use jiff::Timestamp;
use serde_json::{Value, json};
use test_database::TestDatabase;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

use crate::arbitrary::BASE;
use crate::bodies;
use crate::test_ledger::{TestLedger, policy, rows, tables};

/// What every canary begins with.
const CANARY: &str = "canary-";

/// Writes down whatever anything tells to a log, a span or a trace, at every level.
#[derive(Clone, Default)]
struct Everything {
    listens: Arc<AtomicBool>,
    heard: Arc<Mutex<String>>,
    spans: Arc<AtomicU64>,
}

struct Transcript<'a>(&'a mut String);

impl Visit for Transcript<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        writeln!(self.0, "{field}={value:?}").unwrap();
    }
}

impl Subscriber for Everything {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        self.listens.load(Ordering::Relaxed)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Transcript(&mut self.heard.lock().unwrap()));
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Transcript(&mut self.heard.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Transcript(&mut self.heard.lock().unwrap()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn canary(name: &str) -> String {
    format!("{CANARY}{name}")
}

/// A person in every field that Stripe has for one, also those that we don't read.
fn person(id: &str) -> Value {
    json!({
        "id": id, "object": "customer", "email": canary("email@example.com"), "name": canary("name"),
        "phone": canary("phone"), "description": canary("description"),
        "address": { "line1": canary("line1"), "line2": canary("line2"), "city": canary("city"),
            "state": canary("state"), "postal_code": canary("postal"), "country": canary("country") },
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
    unreadable["items"] = json!(canary("items"));
    let mut odd_address = person("cus_1");
    odd_address["address"]["line1"] = json!([canary("list")]);
    let mut contradiction = event(2, "customer.subscription.updated", subscription.clone());
    contradiction["data"]["object"]["status"] = json!("unpaid");
    let mut moved = person("cus_1");
    moved["email"] = json!(canary("second@example.com"));
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

#[test]
fn personal_data_is_in_billing_customer_and_nowhere_else_k2() {
    let everything = Everything::default();
    tracing::subscriber::set_global_default(everything.clone()).unwrap();
    everything.listens.store(true, Ordering::Relaxed);
    let mut said = String::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let held = runtime.block_on(async {
        let ledger = TestLedger::start().await;
        let now = Timestamp::from_second(BASE).unwrap();
        for (body, outcome) in bodies() {
            let event = bodies::decode(body.to_string()).unwrap();
            let change = Change::from_event(&event, &policy(), now);
            write!(said, "{event:?} {change:?} {:?}", event.facts_digest()).unwrap();
            assert_eq!(ledger.ingest(&event, now).await, outcome, "{body}");
        }
        let engine = ledger.database.engine();
        let mirror_database = TestDatabase::new(engine);
        let mirror = SqlMirror::create(mirror_database.url()).await.unwrap();
        let fan_out = FanOut::new(ledger.store.clone(), mirror.clone(), "worker-1");
        assert!(fan_out.pass(now).await.unwrap().sent > 0);
        let mut held = Vec::new();
        let mirror_pool = mirror_database.connect().await;
        for pool in [&ledger.pool, &mirror_pool] {
            for table in tables(pool, engine).await {
                // Values of any type, as text: what is in them shows.
                let rows = rows(pool, engine, &table).await;
                held.push((table, serde_json::to_string(&rows).unwrap()));
            }
        }
        mirror.close().await;
        ledger.stop().await;
        held
    });
    everything.listens.store(false, Ordering::Relaxed);
    for (table, text) in &held {
        let belongs = table == "billing_customer";
        assert_eq!(text.contains(CANARY), belongs, "{table}: {text}");
    }
    let audit = held
        .iter()
        .find(|(table, _)| table == "billing_action_log")
        .unwrap();
    assert!(
        !audit.1.contains(&hex::encode(CANARY)),
        "in the pre-images of the chain"
    );
    let customers = held
        .iter()
        .find(|(table, _)| table == "billing_customer")
        .unwrap();
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
        assert!(customers.1.contains(&canary(name)), "{name}");
    }
    for name in ["phone", "description", "shipping", "metadata", "of-invoice"] {
        assert!(
            !customers.1.contains(&canary(name)),
            "{name} is nobody's business"
        );
    }
    assert!(!said.contains(CANARY), "in a debug print: {said}");
    let heard = everything.heard.lock().unwrap();
    assert!(
        heard.contains("billing_customer"),
        "the statements of the store were not heard"
    );
    assert!(
        heard.contains("noticed at commit"),
        "the ledger was not heard"
    );
    assert!(!heard.contains(CANARY), "in a log or a trace");
}
