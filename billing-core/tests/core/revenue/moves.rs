//! What moves it from month to month.

use billing_core::event::Event;
use serde_json::json;

use super::{at, expect, item, plus, price, pro, revenue_of, subscription, told, with};
use crate::bodies::{decode, event};
use crate::test_ledger::{TestLedger, policy};

/// A customer who comes, pays more, then less, goes, and comes back; and one who pays in euros.
fn a_year() -> Vec<Event> {
    let pro = |status: &str| subscription(1, status, &[item(pro(), 1)]);
    let many = subscription(1, "active", &[item(self::pro(), 4)]);
    let better = subscription(1, "active", &[item(plus(), 1)]);
    let again = with(
        with(pro("active"), "id", json!("sub_9")),
        "created",
        json!(at("2026-08-20T00:00:00Z").as_second()),
    );
    let euros = price("price_pro", "eur", "2700", "month", 1);
    let euros = |status: &str| subscription(2, status, &[item(euros.clone(), 1)]);
    let renewed = with(pro("active"), "latest_invoice", json!("in_2"));
    vec![
        told(
            "evt_b",
            "created",
            "2026-02-10T00:00:00Z",
            None,
            &pro("incomplete"),
        ),
        // In the same second, and its id sorts first.
        told(
            "evt_a",
            "updated",
            "2026-02-10T00:00:00Z",
            Some(&pro("incomplete")),
            &pro("active"),
        ),
        told(
            "evt_c",
            "updated",
            "2026-03-10T00:00:00Z",
            Some(&pro("active")),
            &renewed,
        ),
        told(
            "evt_d",
            "updated",
            "2026-04-15T00:00:00Z",
            Some(&pro("active")),
            &many,
        ),
        told(
            "evt_e",
            "updated",
            "2026-05-01T00:00:00Z",
            Some(&many),
            &better,
        ),
        told(
            "evt_f",
            "deleted",
            "2026-06-30T23:59:59Z",
            None,
            &with(better, "status", json!("canceled")),
        ),
        told("evt_g", "created", "2026-08-20T00:00:00Z", None, &again),
        told(
            "evt_h",
            "created",
            "2026-03-01T00:00:00Z",
            None,
            &euros("trialing"),
        ),
        told(
            "evt_i",
            "updated",
            "2026-03-31T23:59:59Z",
            Some(&euros("trialing")),
            &euros("active"),
        ),
        told(
            "evt_j",
            "updated",
            "2026-04-30T00:00:00Z",
            Some(&euros("active")),
            &euros("past_due"),
        ),
        told(
            "evt_k",
            "updated",
            "2026-05-20T00:00:00Z",
            Some(&euros("past_due")),
            &euros("unpaid"),
        ),
    ]
}

const MOVES: [(&str, [i64; 7]); 16] = [
    ("2026-01 eur", [0; 7]),
    ("2026-01 usd", [0; 7]),
    ("2026-02 eur", [0; 7]),
    ("2026-02 usd", [0, 2900, 0, 0, 0, 0, 2900]),
    ("2026-03 eur", [0, 2700, 0, 0, 0, 0, 2700]),
    ("2026-03 usd", [2900, 0, 0, 0, 0, 0, 2900]),
    ("2026-04 eur", [2700, 0, 0, 0, 0, 0, 2700]),
    ("2026-04 usd", [2900, 0, 0, 8700, 0, 0, 11_600]),
    ("2026-05 eur", [2700, 0, 0, 0, 0, 2700, 0]),
    ("2026-05 usd", [11_600, 0, 0, 0, 3700, 0, 7900]),
    ("2026-06 eur", [0; 7]),
    ("2026-06 usd", [7900, 0, 0, 0, 0, 7900, 0]),
    ("2026-07 eur", [0; 7]),
    ("2026-07 usd", [0; 7]),
    ("2026-08 eur", [0; 7]),
    ("2026-08 usd", [0, 0, 2900, 0, 0, 0, 2900]),
];

#[tokio::test]
async fn a_month_tells_what_moved_it() {
    let revenue = revenue_of(&a_year(), "2026-08-31T00:00:00Z", 8).await;
    expect(&revenue, &MOVES);
    let mrr: Vec<_> = revenue
        .mrr
        .iter()
        .map(|row| {
            (
                row.plan_tier.as_ref().unwrap().as_str(),
                row.mrr,
                row.subscriptions,
            )
        })
        .collect();
    assert_eq!(mrr, [("pro", 2900, 1)]);
    // Of fewer months, what came before is still known.
    let revenue = revenue_of(&a_year(), "2026-08-31T00:00:00Z", 1).await;
    expect(&revenue, &MOVES[14..]);
}

#[tokio::test]
async fn no_order_and_no_repetition_changes_what_moved_a_month_o1() {
    let events = a_year();
    let mut backwards = events.clone();
    backwards.reverse();
    let by_id = {
        let mut sorted = events.clone();
        sorted.sort_by_key(|event| event.id.clone());
        sorted
    };
    let interleaved: Vec<_> = events
        .iter()
        .step_by(2)
        .chain(events.iter().rev())
        .cloned()
        .collect();
    for order in [backwards, by_id, interleaved] {
        let revenue = revenue_of(&order, "2026-08-31T00:00:00Z", 8).await;
        expect(&revenue, &MOVES);
    }
}

#[tokio::test]
async fn a_customer_who_changes_subscriptions_neither_comes_nor_goes() {
    let bound = |number: u32| {
        let customer = json!({ "id": format!("cus_{number}"), "object": "customer", "livemode": false,
            "metadata": { "queue_customer_id": "ann" } });
        let body = event(
            &format!("evt_c{number}"),
            "customer.created",
            1_767_225_600,
            customer,
        );
        decode(body.to_string()).unwrap()
    };
    let [old, new] =
        [1, 2].map(|number| subscription(number, "active", &[item(pro(), number.into())]));
    let events = [
        bound(1),
        bound(2),
        told("evt_1", "created", "2026-01-05T00:00:00Z", None, &old),
        told(
            "evt_2",
            "deleted",
            "2026-02-05T00:00:00Z",
            None,
            &with(old, "status", json!("canceled")),
        ),
        told("evt_3", "created", "2026-02-06T00:00:00Z", None, &new),
    ];
    let revenue = revenue_of(&events, "2026-02-20T00:00:00Z", 2).await;
    expect(
        &revenue,
        &[
            ("2026-01 usd", [0, 2900, 0, 0, 0, 0, 2900]),
            ("2026-02 usd", [2900, 0, 0, 2900, 0, 0, 5800]),
        ],
    );
}

#[tokio::test]
async fn nothing_comes_of_a_customer_who_was_deleted_o5() {
    let gone = json!({ "id": "cus_1", "object": "customer", "deleted": true, "livemode": false });
    let gone = event(
        "evt_9",
        "customer.deleted",
        at("2026-02-05T00:00:00Z").as_second(),
        gone,
    );
    let object = subscription(1, "active", &[item(pro(), 1)]);
    let events = [
        told("evt_1", "created", "2026-01-05T00:00:00Z", None, &object),
        decode(gone.to_string()).unwrap(),
    ];
    let revenue = revenue_of(&events, "2026-02-20T00:00:00Z", 2).await;
    assert!(revenue.mrr.is_empty());
    expect(
        &revenue,
        &[
            ("2026-01 usd", [0, 2900, 0, 0, 0, 0, 2900]),
            ("2026-02 usd", [2900, 0, 0, 0, 0, 2900, 0]),
        ],
    );
}

#[tokio::test]
async fn what_was_missed_is_told_by_what_came_after_it() {
    let of = |quantity: i64| subscription(1, "active", &[item(pro(), quantity)]);
    let in_tiers = price("price_pro", "usd", "in tiers", "month", 1);
    let unknown = subscription(1, "active", &[item(in_tiers, 1)]);
    let renewed = |number: i64| with(of(2), "latest_invoice", json!(format!("in_{number}")));
    // Its making was missed, and two changes of one second began where the one with the greater id began.
    let changes = [
        told(
            "evt_b",
            "updated",
            "2026-02-01T00:00:00Z",
            Some(&of(1)),
            &of(2),
        ),
        told(
            "evt_a",
            "updated",
            "2026-02-01T00:00:00Z",
            Some(&of(2)),
            &of(3),
        ),
    ];
    let revenue = revenue_of(&changes, "2026-02-20T00:00:00Z", 2).await;
    expect(
        &revenue,
        &[
            ("2026-01 usd", [0, 2900, 0, 0, 0, 0, 2900]),
            ("2026-02 usd", [2900, 0, 0, 5800, 0, 0, 8700]),
        ],
    );
    // What it was is known, and what it is is not.
    let change = [told(
        "evt_a",
        "updated",
        "2026-02-01T00:00:00Z",
        Some(&of(1)),
        &unknown,
    )];
    let revenue = revenue_of(&change, "2026-02-20T00:00:00Z", 1).await;
    expect(&revenue, &[("2026-02 usd", [2900, 0, 0, 0, 0, 0, 2900])]);
    assert_eq!(revenue.unknown, 1);
    // A change was missed, and a renewal tells where it led.
    let renewals = [
        told("evt_a", "created", "2026-01-05T00:00:00Z", None, &of(1)),
        told(
            "evt_b",
            "updated",
            "2026-02-05T00:00:00Z",
            Some(&renewed(1)),
            &renewed(2),
        ),
    ];
    let revenue = revenue_of(&renewals, "2026-02-20T00:00:00Z", 2).await;
    expect(
        &revenue,
        &[
            ("2026-01 usd", [0, 2900, 0, 0, 0, 0, 2900]),
            ("2026-02 usd", [2900, 0, 0, 2900, 0, 0, 5800]),
        ],
    );
}

#[tokio::test]
async fn nobody_is_lost_or_told_twice_between_pages() {
    const COUNT: u32 = 1001;
    let ledger = TestLedger::start().await;
    let now = at("2026-01-02T00:00:00Z");
    let made: Vec<_> = (0..COUNT)
        .map(|number| {
            let object = subscription(number, "active", &[item(pro(), 1)]);
            told(
                &format!("evt_{number}"),
                "created",
                "2026-01-01T00:00:00Z",
                None,
                &object,
            )
        })
        .collect();
    ledger
        .ingest_together(&made.iter().collect::<Vec<_>>(), now)
        .await;
    let revenue = ledger.store.revenue(&policy(), now, 1).await.unwrap();
    let row = &revenue.mrr[0];
    assert_eq!(
        (row.mrr, row.subscriptions),
        (2900 * i64::from(COUNT), COUNT.into())
    );
    ledger.stop().await;
}
