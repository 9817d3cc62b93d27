//! Looks through Stripe's API: what marks an object for one, and what one answers (O4).

use std::collections::BTreeMap;

use billing_core::event::{Event, Look, Snapshot};
use billing_core::id::CustomerId;
use billing_core::ledger::{Capacity, Command, Outcome};
use billing_core::store::RefreshRow;
use billing_core::time::StripeTime;
use serde_json::{Value, json};

use crate::arbitrary::BASE;
use crate::bodies::{self, Shape};
use crate::history::after;
use crate::test_ledger::{TestLedger, policy};

fn stripe_time(seconds: i64) -> StripeTime {
    StripeTime::from_seconds(BASE + seconds).unwrap()
}

/// A look that counts from one second on and was taken until another, by clocks that agree.
pub(crate) fn look(true_at: i64, until: i64) -> Look {
    Look {
        true_at: stripe_time(true_at),
        until: stripe_time(until),
        taken_at: after(until),
    }
}

pub(crate) fn subscription(status: &str) -> Value {
    let state = json!({ "customer": "cus_1", "status": status, "prices": ["price_pro"], "end": BASE + 2_592_000 });
    Shape::Basil.subscription("sub_1", &state)
}

pub(crate) fn updated(id: &str, status: &str, second: i64) -> Event {
    let event_type = "customer.subscription.updated";
    let body = bodies::event(id, event_type, BASE + second, subscription(status));
    bodies::decode(body.to_string()).unwrap()
}

pub(crate) fn seen(status: &str, look: Look) -> Snapshot {
    Snapshot::decode(subscription(status).to_string().as_bytes(), look).unwrap()
}

impl TestLedger {
    /// All marks, whenever they are due.
    pub(crate) async fn marks(&self) -> BTreeMap<String, RefreshRow> {
        let rows = self.rows("refresh_queue").await.into_iter();
        let rows = rows.map(|row| serde_json::from_value::<RefreshRow>(row).unwrap());
        rows.map(|row| (row.object_id.to_string(), row)).collect()
    }

    async fn marked(&self) -> Vec<String> {
        self.marks().await.into_keys().collect()
    }

    /// Takes a look that was asked for by a mark.
    pub(crate) async fn looks(&self, snapshots: Vec<Snapshot>, mark: &RefreshRow) -> Outcome {
        let command = Command::Refresh {
            snapshots,
            mark: Some(mark.clone()),
        };
        self.ledger.commit(command, after(60)).await.unwrap()
    }
}

/// A subscription in doubt: two updates of one second that show different states, and nothing of their order.
async fn in_doubt() -> (TestLedger, RefreshRow) {
    let ledger = TestLedger::start().await;
    ledger
        .ingest(&updated("evt_1", "active", 10), after(10))
        .await;
    assert_eq!(ledger.marked().await, [""; 0]);
    ledger
        .ingest(&updated("evt_2", "past_due", 10), after(11))
        .await;
    let mark = ledger.marks().await.remove("sub_1").unwrap();
    (ledger, mark)
}

#[tokio::test]
async fn doubt_marks_a_subscription_and_a_later_look_answers_it_o4() {
    let (ledger, mark) = in_doubt().await;
    let snapshots = vec![seen("active", look(11, 13))];
    assert_eq!(ledger.looks(snapshots, &mark).await, Outcome::Applied);
    assert_eq!(ledger.marked().await, [""; 0]);
}

#[tokio::test]
async fn a_look_is_due_once_it_can_count_for_a_later_second_o4() {
    let ledger = TestLedger::start().await;
    ledger
        .ingest(&updated("evt_1", "active", 10), after(10))
        .await;
    ledger
        .ingest(&updated("evt_2", "unpaid", 10), after(10))
        .await;
    let due = async |now| ledger.store.take_refreshes(now, 10).await.unwrap().len();
    assert_eq!(due(after(13)).await, 0);
    assert_eq!(due(after(14)).await, 1);
    // Whoever took it puts it off for the others, each time twice as long.
    assert_eq!(due(after(18)).await, 0);
    assert_eq!(due(after(19)).await, 1);
    assert_eq!(due(after(28)).await, 0);
    assert_eq!(due(after(29)).await, 1);
    // By a clock that has gone back since, it would wait for more than anybody waits.
    assert_eq!(due(after(-86_400)).await, 1);
}

#[tokio::test]
async fn a_mark_stays_while_the_look_is_behind_the_stamp_or_in_doubt_itself_o4() {
    for (true_at, until) in [(9, 12), (10, 12)] {
        let (ledger, mark) = in_doubt().await;
        let shown = vec![seen("active", look(true_at, until))];
        ledger.looks(shown, &mark).await;
        assert_eq!(ledger.marked().await, ["sub_1"], "{true_at}");
    }
}

#[tokio::test]
async fn an_event_of_the_time_between_marks_again_o4() {
    let (ledger, mark) = in_doubt().await;
    ledger
        .looks(vec![seen("active", look(11, 14))], &mark)
        .await;
    assert_eq!(ledger.marked().await, [""; 0]);
    // Before the second that the look counts for: it can't be newer.
    ledger
        .ingest(&updated("evt_3", "trialing", 9), after(20))
        .await;
    assert_eq!(ledger.marked().await, [""; 0]);
    // After it was taken: it is newer.
    ledger
        .ingest(&updated("evt_4", "trialing", 15), after(20))
        .await;
    assert_eq!(ledger.marked().await, [""; 0]);
    let (ledger, mark) = in_doubt().await;
    ledger
        .looks(vec![seen("active", look(11, 14))], &mark)
        .await;
    ledger
        .ingest(&updated("evt_5", "active", 14), after(20))
        .await;
    assert_eq!(ledger.marked().await, ["sub_1"]);
}

#[tokio::test]
async fn a_look_at_what_is_known_changes_nothing_but_tells_of_events_that_come_later_o4() {
    let ledger = TestLedger::start().await;
    ledger
        .ingest(&updated("evt_1", "active", 10), after(10))
        .await;
    let state = async || {
        (
            ledger.rows("billing_action_log").await,
            ledger.rows("mirror_row").await,
        )
    };
    let before = state().await;
    let known = Command::refresh(vec![seen("active", look(20, 22))]);
    assert_eq!(
        ledger.ledger.commit(known, after(22)).await,
        Ok(Outcome::Stale)
    );
    assert_eq!(state().await, before);
    // It shows something else, and is older than the look: what led back from it is lost, or still to come.
    ledger
        .ingest(&updated("evt_2", "trialing", 15), after(30))
        .await;
    assert_eq!(ledger.marked().await, ["sub_1"]);
}

#[tokio::test]
async fn a_look_mends_what_somebody_changed_by_hand_o4() {
    let ledger = TestLedger::start().await;
    ledger
        .ingest(&updated("evt_1", "active", 10), after(10))
        .await;
    let views = async || ledger.rows("billing_subscription").await;
    let row = async || ledger.rows("mirror_row").await.remove(0);
    let (view_before, row_before) = (views().await, row().await);
    for change in [
        "update billing_subscription set terminal = true, status = 'canceled', entitled = false, plan_tier = 'free'",
        "update mirror_row set plan_tier = 'pro_plus'",
    ] {
        sqlx::query(change).execute(&ledger.pool).await.unwrap();
    }
    let known = Command::refresh(vec![seen("active", look(20, 22))]);
    assert_eq!(
        ledger.ledger.commit(known, after(22)).await,
        Ok(Outcome::Applied)
    );
    let shown = |mut rows: Vec<Value>| {
        for row in &mut rows {
            row["seen_until"].take();
        }
        rows
    };
    assert_eq!(shown(views().await), shown(view_before));
    let row_after = row().await;
    assert_eq!(row_after["plan_tier"], row_before["plan_tier"]);
    assert!(row_after["updated_at"].as_str() > row_before["updated_at"].as_str());
}

#[tokio::test]
async fn a_look_that_nobody_asked_for_marks_what_it_contradicts_and_can_t_decide_o4() {
    let ledger = TestLedger::start().await;
    ledger
        .ingest(&updated("evt_1", "trialing", 21), after(21))
        .await;
    // It is behind the stamp: what it shows may be newer all the same.
    let unasked = Command::refresh(vec![seen("active", look(20, 22))]);
    ledger.ledger.commit(unasked, after(22)).await.unwrap();
    let row = ledger.rows("billing_subscription").await.remove(0);
    assert_eq!(row["status"], "trialing");
    assert_eq!(ledger.marked().await, ["sub_1"]);
    let mark = ledger.marks().await.remove("sub_1").unwrap();
    ledger
        .looks(vec![seen("active", look(24, 26))], &mark)
        .await;
    let row = ledger.rows("billing_subscription").await.remove(0);
    assert_eq!(row["status"], "active");
    assert_eq!(ledger.marked().await, [""; 0]);
}

pub(crate) fn failed(id: &str, second: i64) -> Event {
    let state = json!({ "customer": "cus_1", "status": "open", "subscription": "sub_1", "attempts": 1,
        "created": BASE + second, "finalized": BASE + second });
    let invoice = Shape::Basil.invoice("in_1", &state);
    let body = bodies::event(id, "invoice.payment_failed", BASE + second, invoice);
    bodies::decode(body.to_string()).unwrap()
}

#[tokio::test]
async fn a_look_that_is_too_early_to_tell_what_a_failure_led_to_answers_nothing_a2_o4() {
    let ledger = TestLedger::start().await;
    ledger
        .ingest(&updated("evt_1", "active", 10), after(10))
        .await;
    ledger.ingest(&failed("evt_2", 100), after(100)).await;
    let mark = ledger.marks().await.remove("sub_1").unwrap();
    assert!(mark.due_at.timestamp() >= after(104));
    ledger
        .looks(vec![seen("active", look(98, 101))], &mark)
        .await;
    assert_eq!(ledger.marked().await, ["sub_1"]);
    ledger
        .looks(vec![seen("active", look(102, 104))], &mark)
        .await;
    assert_eq!(ledger.marked().await, [""; 0]);
    let row = ledger.rows("billing_subscription").await.remove(0);
    assert_eq!(
        (&row["status"], &row["in_doubt"]),
        (&json!("active"), &json!(0))
    );
}

#[tokio::test]
async fn looking_every_day_does_not_prolong_grace_a2() {
    const DAY: i64 = 86_400;
    let ledger = TestLedger::start().await;
    // An invoice that is sent to be paid has no failure, and what made it past due is lost.
    ledger
        .ingest(&updated("evt_1", "past_due", 10), after(10))
        .await;
    for day in 1..=8 {
        let now = day * DAY;
        let unasked = Command::refresh(vec![seen("past_due", look(now, now + 1))]);
        ledger.ledger.commit(unasked, after(now + 1)).await.unwrap();
    }
    let row = ledger.rows("billing_subscription").await.remove(0);
    assert_eq!(row["status"], "unpaid");
}

#[tokio::test]
async fn a_look_that_the_end_of_grace_asked_for_does_not_open_again_what_it_closed_a2_o4() {
    const DAY: i64 = 86_400;
    let ledger = TestLedger::start().await;
    let past_due = updated("evt_1", "past_due", 10);
    ledger.ingest(&past_due, after(10)).await;
    let status = async || ledger.rows("billing_subscription").await[0]["status"].clone();
    let settle = Command::Settle(CustomerId::parse("stripe:cus_1").unwrap());
    let ended = 8 * DAY;
    ledger.ledger.commit(settle, after(ended)).await.unwrap();
    assert_eq!(status().await, "unpaid");
    let mark = ledger.marks().await.remove("sub_1").unwrap();
    let command = Command::Refresh {
        snapshots: vec![seen("past_due", look(ended + 4, ended + 6))],
        mark: Some(mark),
    };
    ledger
        .ledger
        .commit(command, after(ended + 6))
        .await
        .unwrap();
    assert_eq!(status().await, "unpaid");
    assert_eq!(ledger.marked().await, [""; 0]);
}

#[tokio::test]
async fn a_shorter_look_hides_no_longer_one_o4() {
    let ledger = TestLedger::start().await;
    ledger
        .ingest(&updated("evt_1", "active", 10), after(10))
        .await;
    for look in [look(12, 14), look(11, 20), look(13, 15)] {
        let unasked = Command::refresh(vec![seen("active", look)]);
        ledger.ledger.commit(unasked, after(21)).await.unwrap();
    }
    ledger
        .ingest(&updated("evt_2", "trialing", 19), after(30))
        .await;
    assert_eq!(ledger.marked().await, ["sub_1"]);
}

#[tokio::test]
async fn of_two_looks_that_overlap_only_a_third_tells_which_was_the_later_o4() {
    let slow = || vec![seen("active", look(11, 18))];
    let quick = || vec![seen("past_due", look(15, 17))];
    for looks in [[slow(), quick()], [quick(), slow()]] {
        let ledger = TestLedger::start().await;
        ledger
            .ingest(&updated("evt_1", "trialing", 10), after(10))
            .await;
        for look in looks {
            let unasked = Command::refresh(look);
            ledger.ledger.commit(unasked, after(18)).await.unwrap();
        }
        let mark = ledger.marks().await.remove("sub_1").unwrap();
        let too_early = vec![seen("past_due", look(18, 19))];
        ledger.looks(too_early, &mark).await;
        assert_eq!(ledger.marked().await, ["sub_1"]);
        let later = vec![seen("active", look(20, 21))];
        ledger.looks(later, &mark).await;
        assert_eq!(ledger.marked().await, [""; 0]);
        let row = ledger.rows("billing_subscription").await.remove(0);
        assert_eq!(row["status"], "active");
    }
}

#[tokio::test]
async fn a_mark_made_again_since_it_was_taken_stays_o4() {
    let (ledger, mark) = in_doubt().await;
    // Something of it that can't be read comes while Stripe is asked.
    let mut unreadable = bodies::event(
        "evt_3",
        "customer.subscription.updated",
        BASE + 12,
        subscription("active"),
    );
    unreadable["data"]["object"]["items"] = json!("none");
    let unreadable = bodies::decode(unreadable.to_string()).unwrap();
    assert_eq!(
        ledger.ingest(&unreadable, after(12)).await,
        Outcome::Quarantined
    );
    ledger
        .looks(vec![seen("active", look(11, 13))], &mark)
        .await;
    assert_eq!(ledger.marked().await, ["sub_1"]);
    let mark = ledger.marks().await.remove("sub_1").unwrap();
    ledger
        .looks(vec![seen("active", look(14, 15))], &mark)
        .await;
    assert_eq!(ledger.marked().await, [""; 0]);
}

#[tokio::test]
async fn what_is_set_aside_marks_its_object_unless_it_is_somebody_elses_e3() {
    let policy = billing_core::policy::Policy {
        livemode: Some(false),
        ..policy()
    };
    let ledger = TestLedger::start_with(policy, Capacity::default()).await;
    let live = |id: &str, object: &str, livemode: bool, created: i64| {
        let state = json!({ "user": "ann" });
        let customer = Shape::Basil.customer(object, &state);
        let mut body = bodies::event(id, "customer.updated", created, customer);
        body["livemode"] = json!(livemode);
        bodies::decode(body.to_string()).unwrap()
    };
    ledger
        .ingest(&live("evt_1", "cus_1", true, BASE), after(0))
        .await;
    assert_eq!(ledger.marked().await, [""; 0]);
    ledger
        .ingest(&live("evt_2", "cus_2", false, 5), after(0))
        .await;
    assert_eq!(ledger.marked().await, ["cus_2"]);
    let mark = ledger.marks().await.remove("cus_2").unwrap();
    let shown = Shape::Basil.customer("cus_2", &json!({ "user": "ann" }));
    let snapshot = Snapshot::decode(shown.to_string().as_bytes(), look(1, 2)).unwrap();
    assert_eq!(ledger.looks(vec![snapshot], &mark).await, Outcome::Applied);
    assert_eq!(ledger.marked().await, [""; 0]);
}
