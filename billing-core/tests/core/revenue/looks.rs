//! What looks through Stripe's API tell of it.

use billing_core::event::{Look, Snapshot};
use billing_core::ledger::{Capacity, Command};
use billing_core::policy::Policy;
use billing_core::time::StripeTime;
use serde_json::{Value, json};

use super::{at, expect, item, percent_off, price, pro, subscription, told, with};
use crate::test_ledger::{TestLedger, policy};

async fn look(ledger: &TestLedger, object: &Value, when: &str) {
    let when = at(when);
    let true_at = StripeTime::from_seconds(when.as_second() - 1).unwrap();
    let until = StripeTime::from_seconds(when.as_second()).unwrap();
    let look = Look {
        true_at,
        until,
        taken_at: when,
    };
    let snapshot = Snapshot::decode(object.to_string().as_bytes(), look).unwrap();
    let command = Command::Refresh {
        snapshots: vec![snapshot],
        mark: None,
    };
    ledger.ledger.commit(command, when).await.unwrap();
}

#[tokio::test]
async fn what_was_imported_ran_since_it_was_made_o4() {
    let ledger = TestLedger::start().await;
    let object = subscription(1, "active", &[item(pro(), 1)]);
    look(&ledger, &object, "2026-03-10T00:00:00Z").await;
    let revenue = ledger
        .store
        .revenue(&policy(), at("2026-03-11T00:00:00Z"), 3)
        .await
        .unwrap();
    expect(
        &revenue,
        &[
            ("2026-01 usd", [0, 2900, 0, 0, 0, 0, 2900]),
            ("2026-02 usd", [2900, 0, 0, 0, 0, 0, 2900]),
            ("2026-03 usd", [2900, 0, 0, 0, 0, 0, 2900]),
        ],
    );
    ledger.stop().await;
}

#[tokio::test]
async fn what_was_imported_after_its_end_ran_from_its_trial_to_there_o4() {
    let ledger = TestLedger::start().await;
    let seconds = |text: &str| json!(at(text).as_second());
    let object = subscription(1, "canceled", &[item(pro(), 1)]);
    let object = with(object, "trial_end", seconds("2026-02-14T00:00:00Z"));
    let object = with(object, "ended_at", seconds("2026-03-05T00:00:00Z"));
    look(&ledger, &object, "2026-04-10T00:00:00Z").await;
    // One that ended on its trial never charged.
    let object = subscription(2, "canceled", &[item(pro(), 1)]);
    let object = with(object, "trial_end", seconds("2026-02-14T00:00:00Z"));
    let object = with(object, "ended_at", seconds("2026-02-05T00:00:00Z"));
    look(&ledger, &object, "2026-04-10T00:00:00Z").await;
    let revenue = ledger
        .store
        .revenue(&policy(), at("2026-04-11T00:00:00Z"), 4)
        .await
        .unwrap();
    expect(
        &revenue,
        &[
            ("2026-01 usd", [0; 7]),
            ("2026-02 usd", [0, 2900, 0, 0, 0, 0, 2900]),
            ("2026-03 usd", [2900, 0, 0, 0, 0, 2900, 0]),
            ("2026-04 usd", [0; 7]),
        ],
    );
    ledger.stop().await;
}

#[tokio::test]
async fn what_is_not_known_counts_as_it_last_was_and_is_counted() {
    let ledger = TestLedger::start().await;
    let now = at("2026-02-02T00:00:00Z");
    let known = subscription(1, "active", &[item(pro(), 1)]);
    let in_tiers = price("price_pro", "usd", "in tiers", "month", 1);
    let unknown = subscription(1, "active", &[item(in_tiers, 1)]);
    for event in [
        told("evt_1", "created", "2026-01-01T00:00:00Z", None, &known),
        told(
            "evt_2",
            "updated",
            "2026-02-01T00:00:00Z",
            Some(&known),
            &unknown,
        ),
    ] {
        ledger.ingest(&event, now).await;
    }
    let revenue = ledger.store.revenue(&policy(), now, 1).await.unwrap();
    expect(&revenue, &[("2026-02 usd", [2900, 0, 0, 0, 0, 0, 2900])]);
    assert_eq!((revenue.mrr[0].mrr, revenue.unknown), (2900, 1));
    // As it is of what was known before any of this was kept: also of one that is paused here and not at Stripe, and of
    // one whose grace has ended; and not of one that is over.
    let paused = json!({ "behavior": "void", "resumes_at": null });
    let paused = with(
        subscription(2, "active", &[item(pro(), 1)]),
        "pause_collection",
        paused,
    );
    let late = subscription(3, "past_due", &[item(pro(), 1)]);
    let over = subscription(4, "canceled", &[item(pro(), 1)]);
    for (id, object) in [("evt_3", paused), ("evt_4", late), ("evt_5", over)] {
        let made = told(id, "created", "2026-01-01T00:00:00Z", None, &object);
        ledger.ingest(&made, now).await;
    }
    let delete = "delete from subscription_terms";
    sqlx::query(delete).execute(&ledger.pool).await.unwrap();
    let revenue = ledger.store.revenue(&policy(), now, 1).await.unwrap();
    assert_eq!((revenue.mrr.len(), revenue.unknown), (0, 3));
    ledger.stop().await;
}

#[tokio::test]
async fn a_discount_that_is_not_shown_is_looked_at_o4() {
    let ledger = TestLedger::start().await;
    let now = at("2026-01-02T00:00:00Z");
    let plain = subscription(1, "active", &[item(pro(), 1)]);
    let object = with(plain, "discounts", json!(["di_1"]));
    ledger
        .ingest(
            &told("evt_1", "created", "2026-01-01T00:00:00Z", None, &object),
            now,
        )
        .await;
    assert_eq!(ledger.store.refresh_depth().await.unwrap().waiting, 1);
    let unknown = async || {
        ledger
            .store
            .revenue(&policy(), now, 1)
            .await
            .unwrap()
            .unknown
    };
    assert_eq!(unknown().await, 1);
    let shown = with(
        object.clone(),
        "discounts",
        json!([percent_off("forever", json!(50))]),
    );
    look(&ledger, &shown, "2026-01-01T12:00:00Z").await;
    let revenue = ledger.store.revenue(&policy(), now, 1).await.unwrap();
    assert_eq!((revenue.mrr[0].mrr, revenue.unknown), (1450, 0));
    // A renewal shows it no more, and nobody has to look again.
    let renewed = with(object.clone(), "latest_invoice", json!("in_2"));
    let waiting = ledger.rows("refresh_queue").await;
    ledger
        .ingest(
            &told(
                "evt_2",
                "updated",
                "2026-01-01T18:00:00Z",
                Some(&object),
                &renewed,
            ),
            at("2026-01-02T00:00:01Z"),
        )
        .await;
    assert_eq!(ledger.rows("refresh_queue").await, waiting);
    ledger.stop().await;
}

#[tokio::test]
async fn a_change_that_was_missed_is_made_good_by_a_look_b4() {
    let ledger = TestLedger::start().await;
    let object = subscription(1, "active", &[item(pro(), 1)]);
    let now = at("2026-02-02T00:00:00Z");
    ledger
        .ingest(
            &told("evt_1", "created", "2026-01-01T00:00:00Z", None, &object),
            now,
        )
        .await;
    let half = with(
        object,
        "discounts",
        json!([percent_off("forever", json!(50))]),
    );
    look(&ledger, &half, "2026-02-01T12:00:00Z").await;
    look(&ledger, &half, "2026-02-01T18:00:00Z").await;
    let revenue = ledger.store.revenue(&policy(), now, 2).await.unwrap();
    expect(
        &revenue,
        &[
            ("2026-01 usd", [0, 2900, 0, 0, 0, 0, 2900]),
            ("2026-02 usd", [2900, 0, 0, 0, 1450, 0, 1450]),
        ],
    );
    // What was seen twice is kept once.
    assert_eq!(ledger.rows("subscription_terms").await.len(), 2);
    ledger.stop().await;
}

#[tokio::test]
async fn an_end_that_was_missed_counts_when_it_was_b4() {
    let ledger = TestLedger::start().await;
    let now = at("2026-03-11T00:00:00Z");
    let object = subscription(1, "active", &[item(pro(), 1)]);
    let made = told("evt_1", "created", "2026-01-01T00:00:00Z", None, &object);
    ledger.ingest(&made, now).await;
    let ended = json!(at("2026-02-05T00:00:00Z").as_second());
    let over = with(with(object, "status", json!("canceled")), "ended_at", ended);
    look(&ledger, &over, "2026-03-10T00:00:00Z").await;
    let revenue = ledger.store.revenue(&policy(), now, 3).await.unwrap();
    expect(
        &revenue,
        &[
            ("2026-01 usd", [0, 2900, 0, 0, 0, 0, 2900]),
            ("2026-02 usd", [2900, 0, 0, 0, 0, 2900, 0]),
            ("2026-03 usd", [0; 7]),
        ],
    );
    ledger.stop().await;
}

#[tokio::test]
async fn where_nobody_looks_no_discount_is_marked() {
    let blind = Policy {
        looks: false,
        ..policy()
    };
    let ledger = TestLedger::start_with(blind, Capacity::default()).await;
    let plain = subscription(1, "active", &[item(pro(), 1)]);
    let object = with(plain, "discounts", json!(["di_1"]));
    let made = told("evt_1", "created", "2026-01-01T00:00:00Z", None, &object);
    ledger.ingest(&made, at("2026-01-02T00:00:00Z")).await;
    assert_eq!(ledger.store.refresh_depth().await.unwrap().waiting, 0);
    ledger.stop().await;
}
