//! What a look through Stripe's API answers, and what it need not compete with (O4).

use billing_core::event::{Event, Snapshot};
use billing_core::ledger::{Command, Outcome};
use serde_json::{Value, json};

use crate::arbitrary::BASE;
use crate::bodies::{self, Shape};
use crate::history::after;
use crate::refresh::{failed, look, seen, subscription, updated};
use crate::test_ledger::TestLedger;

/// Takes a look that nobody asked for.
async fn unasked(ledger: &TestLedger, status: &str, (true_at, until): (i64, i64)) {
    let command = Command::refresh(vec![seen(status, look(true_at, until))]);
    let taken = ledger.ledger.commit(command, after(until)).await;
    taken.unwrap();
}

/// How many events and looks compete.
async fn contenders(ledger: &TestLedger) -> usize {
    let row = ledger.rows("billing_subscription").await.remove(0);
    let contenders: Value = match &row["contenders"] {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        contenders => contenders.clone(),
    };
    contenders["by_event"].as_object().unwrap().len()
}

fn paid(id: &str, second: i64) -> Event {
    let state = json!({ "customer": "cus_1", "status": "paid", "subscription": "sub_1", "attempts": 1,
        "created": BASE + second, "finalized": BASE + second, "paid": BASE + second });
    let invoice = Shape::Basil.invoice("in_2", &state);
    let body = bodies::event(id, "invoice.paid", BASE + second, invoice);
    bodies::decode(body.to_string()).unwrap()
}

#[tokio::test]
async fn many_looks_of_one_second_crowd_out_nothing_that_competes_in_it_o4() {
    let ledger = TestLedger::start().await;
    let created = bodies::event(
        "evt_1",
        "customer.subscription.created",
        BASE + 10,
        subscription("active"),
    );
    let event = bodies::decode(created.to_string()).unwrap();
    ledger.ingest(&event, after(10)).await;
    for until in 12..52 {
        unasked(&ledger, "active", (10, until)).await;
    }
    // The event, and one look: what is of its very second may have come after it.
    assert_eq!(contenders(&ledger).await, 2);
    unasked(&ledger, "past_due", (10, 12)).await;
    assert_eq!(contenders(&ledger).await, 3);
    assert_eq!(ledger.marks().await.len(), 1);
    // A later one of what is known is no contender at all.
    let ledger = TestLedger::start().await;
    ledger.ingest(&event, after(10)).await;
    unasked(&ledger, "active", (11, 12)).await;
    assert_eq!(contenders(&ledger).await, 1);
}

#[tokio::test]
async fn an_event_that_tells_what_was_before_is_no_look_at_what_came_o4() {
    let ledger = TestLedger::start().await;
    let mut moved = bodies::event(
        "evt_1",
        "customer.subscription.updated",
        BASE + 10,
        subscription("active"),
    );
    moved["data"]["previous_attributes"] = json!({ "status": "past_due" });
    let moved = bodies::decode(moved.to_string()).unwrap();
    ledger.ingest(&moved, after(10)).await;
    unasked(&ledger, "active", (10, 12)).await;
    assert_eq!(contenders(&ledger).await, 2);
}

#[tokio::test]
async fn a_look_behind_the_stamp_answers_nothing_though_nothing_is_in_doubt_o4() {
    let ledger = TestLedger::start().await;
    let event = updated("evt_1", "active", 10);
    ledger.ingest(&event, after(10)).await;
    let event_type = "customer.subscription.updated";
    let mut unreadable = bodies::event("evt_2", event_type, BASE + 12, subscription("active"));
    unreadable["data"]["object"]["items"] = json!("none");
    let unreadable = bodies::decode(unreadable.to_string()).unwrap();
    ledger.ingest(&unreadable, after(12)).await;
    let mark = ledger.marks().await.remove("sub_1").unwrap();
    let behind = vec![seen("active", look(9, 9))];
    ledger.looks(behind, &mark).await;
    assert_eq!(ledger.marks().await.len(), 1);
    let later = vec![seen("active", look(13, 14))];
    ledger.looks(later, &mark).await;
    assert_eq!(ledger.marks().await.len(), 0);
}

#[tokio::test]
async fn a_look_too_early_to_tell_what_a_payment_led_to_answers_nothing_a2_o4() {
    let ledger = TestLedger::start().await;
    let past_due = updated("evt_1", "past_due", 10);
    ledger.ingest(&past_due, after(10)).await;
    ledger.ingest(&paid("evt_2", 100), after(100)).await;
    let mark = ledger.marks().await.remove("sub_1").unwrap();
    let early = vec![seen("past_due", look(98, 101))];
    ledger.looks(early, &mark).await;
    assert_eq!(ledger.marks().await.len(), 1);
    let later = vec![seen("active", look(102, 104))];
    ledger.looks(later, &mark).await;
    assert_eq!(ledger.marks().await.len(), 0);
}

/// A change of price was missed, which no look can show: its mark is answered all the same, whatever failed long ago.
#[tokio::test]
async fn doubt_that_no_look_can_lift_is_looked_at_once_a5_o4() {
    let ledger = TestLedger::start().await;
    let priced = |status: &str, price: &str| {
        let state = json!({ "customer": "cus_1", "status": status, "prices": [price], "end": BASE + 2_592_000 });
        Shape::Basil.subscription("sub_1", &state)
    };
    let event_type = "customer.subscription.updated";
    let mut downgraded = bodies::event(
        "evt_1",
        event_type,
        BASE + 10,
        priced("active", "price_pro"),
    );
    let before = priced("active", "price_plus");
    downgraded["data"]["previous_attributes"] = json!({ "items": before["items"] });
    let missed = bodies::event(
        "evt_2",
        event_type,
        BASE + 20,
        priced("active", "price_plus"),
    );
    for event in [downgraded, missed] {
        let event = bodies::decode(event.to_string()).unwrap();
        ledger.ingest(&event, after(20)).await;
    }
    ledger.ingest(&failed("evt_3", 5), after(20)).await;
    let is_in_doubt = async || {
        let row = ledger.rows("billing_subscription").await.remove(0);
        row["in_doubt"] == 1
    };
    assert!(is_in_doubt().await);
    let mark = ledger.marks().await.remove("sub_1").unwrap();
    let shown = priced("active", "price_plus").to_string();
    let shown = Snapshot::decode(shown.as_bytes(), look(24, 26));
    ledger.looks(vec![shown.unwrap()], &mark).await;
    assert!(is_in_doubt().await);
    assert_eq!(ledger.marks().await.len(), 0);
}

#[tokio::test]
async fn a_look_that_is_news_and_overlaps_none_asks_for_no_other_o4() {
    let ledger = TestLedger::start().await;
    let event = updated("evt_1", "active", 10);
    ledger.ingest(&event, after(10)).await;
    unasked(&ledger, "unpaid", (20, 22)).await;
    unasked(&ledger, "active", (24, 26)).await;
    let row = ledger.rows("billing_subscription").await.remove(0);
    assert_eq!(row["status"], "active");
    assert_eq!(ledger.marks().await.len(), 0);
}

/// Stripe's own word after the payment that it is past due all the same: from then on it is grace, and not paid.
#[tokio::test]
async fn a_look_that_shows_what_is_known_counts_where_a_payment_made_it_doubtful_a2_o4() {
    let ledger = TestLedger::start().await;
    let past_due = updated("evt_1", "past_due", 10);
    ledger.ingest(&past_due, after(10)).await;
    ledger.ingest(&paid("evt_2", 100), after(100)).await;
    let is_in_grace = async || {
        let row = ledger.rows("billing_subscription").await.remove(0);
        row["grace_ends_at"].is_number()
    };
    assert!(!is_in_grace().await);
    unasked(&ledger, "past_due", (102, 104)).await;
    assert!(is_in_grace().await);
}

#[tokio::test]
async fn a_look_at_a_customer_counts_where_it_shows_something_else_o4() {
    let ledger = TestLedger::start().await;
    let customer = |name: &str, user: &str| {
        let state = json!({ "name": name, "user": user });
        Shape::Basil.customer("cus_1", &state)
    };
    let created = bodies::event(
        "evt_1",
        "customer.created",
        BASE + 10,
        customer("Jenny", "user-1"),
    );
    let created = bodies::decode(created.to_string()).unwrap();
    ledger.ingest(&created, after(10)).await;
    let look_at = async |name: &str, at: i64| {
        let shown = customer(name, "user-1").to_string();
        let shown = Snapshot::decode(shown.as_bytes(), look(at, at + 2)).unwrap();
        let command = Command::refresh(vec![shown]);
        let taken = ledger.ledger.commit(command, after(at + 2)).await;
        taken.unwrap()
    };
    assert_eq!(look_at("Jenny", 20).await, Outcome::Stale);
    assert_eq!(look_at("Jenny Rosen", 30).await, Outcome::Applied);
    let row = ledger.rows("billing_customer").await.remove(0);
    assert_eq!(row["name"], "Jenny Rosen");
    assert_eq!(look_at("Jenny Rosen", 40).await, Outcome::Stale);
}

#[tokio::test]
async fn doubt_about_what_is_over_is_told_of_the_customer_too_o3() {
    let ledger = TestLedger::start().await;
    for (id, status) in [("evt_1", "canceled"), ("evt_2", "unpaid")] {
        let event_type = "customer.subscription.deleted";
        let deleted = bodies::event(id, event_type, BASE + 10, subscription(status));
        let deleted = bodies::decode(deleted.to_string()).unwrap();
        ledger.ingest(&deleted, after(10)).await;
    }
    let row = ledger.rows("mirror_row").await.remove(0);
    assert_eq!(
        (&row["status"], &row["in_doubt"]),
        (&json!("canceled"), &json!(1))
    );
}
