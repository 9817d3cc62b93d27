//! Any order with duplicates, one state (O1): of the accounts, and of the ledger's tables.

use std::collections::BTreeMap;

use billing_core::event::Event;
use billing_core::ledger::Capacity;
use billing_core::mirror::{MirrorTime, Outbox, Retry, Sent};
use billing_core::personal::Personal;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use test_database::{Engine, postgres_is_at_hand};

use crate::accounts::Accounts;
use crate::arbitrary::{BASE, DAY, Deliveries, deliveries};
use crate::bodies::{self, Shape};
use crate::every_order::Sets;
use crate::history::after;
use crate::property::Property;
use crate::state::State;
use crate::test_ledger::{Database, TestLedger, policy, tables};

fn accounts_after(events: &[Event], order: &[usize]) -> Accounts {
    let mut accounts = Accounts::default();
    for index in order {
        accounts.take(&events[*index], &policy(), after(9 * DAY));
    }
    accounts
}

#[test]
fn any_order_with_duplicates_ends_in_one_account_and_one_view_of_it_o1() {
    Property::in_cases(1000).holds(deliveries(4), |Deliveries { events, orders }| {
        let in_order: Vec<usize> = (0..events.len()).collect();
        let expected = accounts_after(&events, &in_order);
        for order in orders {
            let accounts = accounts_after(&events, &order);
            prop_assert_eq!(&accounts, &expected, "delivered as {:?}", order);
            for now in [after(0), after(2 * DAY), after(8 * DAY), after(40 * DAY)] {
                prop_assert_eq!(
                    accounts.views(&policy(), now),
                    expected.views(&policy(), now)
                );
                prop_assert_eq!(
                    accounts.entitlements(&policy(), now),
                    expected.entitlements(&policy(), now)
                );
            }
        }
        Ok(())
    });
}

#[test]
fn of_several_deletions_the_earliest_is_kept_o5() {
    let customer = |id: &str, event_type: &str, created: i64| {
        let object = Shape::Basil.customer("cus_1", &json!({}));
        bodies::decode(bodies::event(id, event_type, created, object).to_string()).unwrap()
    };
    let events = [
        customer("evt_1", "customer.deleted", BASE + 5),
        customer("evt_2", "customer.deleted", BASE + 3),
        customer("evt_3", "customer.updated", BASE + 9),
    ];
    let accounts = accounts_after(&events, &[0, 1, 2]);
    let deleted_at = accounts.0.values().next().unwrap().customer.deleted_at;
    assert_eq!(deleted_at.unwrap().seconds(), BASE + 3);
}

#[test]
fn the_latest_personal_data_stays_in_every_order_o6() {
    let customer = |id: &str, created: i64, name: &str| {
        let object = Shape::Basil.customer("cus_1", &json!({ "name": name }));
        let body = bodies::event(id, "customer.updated", BASE + created, object);
        bodies::decode(body.to_string()).unwrap()
    };
    // Of one second, the greatest id's.
    let events = [
        customer("evt_1", 5, "Ada"),
        customer("evt_2", 9, "Bob"),
        customer("evt_4", 9, "Cy"),
        customer("evt_3", 9, "Di"),
    ];
    let sets = Sets::of(&events, &policy(), after(10));
    let accounts = sets.after(&[0, 1, 2, 3]);
    let name = &accounts.0.values().next().unwrap().customer.personal.name;
    assert_eq!(*name, Some(Personal::new("Cy".to_owned())));
}

#[test]
fn a_change_within_a_tier_locks_nothing_a5() {
    let state = |prices: &[&str]| {
        let state = json!({ "customer": "cus_1", "status": "active", "prices": prices });
        Shape::Basil.subscription("sub_1", &state)
    };
    let (was, is) = (state(&["price_plus"]), state(&["price_plus", "price_pro"]));
    let mut body = bodies::event("evt_1", "customer.subscription.updated", BASE, is.clone());
    body["data"]["previous_attributes"] = bodies::previous_attributes(&was, &is);
    let events = [bodies::decode(body.to_string()).unwrap()];
    let views = accounts_after(&events, &[0]).views(&policy(), after(0));
    assert_eq!(views.values().next().unwrap().feature_locked_at, None);
}

#[test]
fn more_changes_of_price_in_a_second_than_are_kept_are_in_doubt_a5() {
    let doubt_after = |changes: i64| {
        let state =
            |price: &str| json!({ "customer": "cus_1", "status": "active", "prices": [price] });
        let events = (0..=changes).map(|number| {
            let prices = [["price_pro", "price_plus"], ["price_plus", "price_pro"]];
            let [was, is] = prices[usize::try_from(number % 2).unwrap()];
            let [was, is] =
                [was, is].map(|price| Shape::Basil.subscription("sub_1", &state(price)));
            // The last event is of a later second, and changes nothing.
            let last = number == changes;
            let (created, now) = if last { (BASE + 1, &was) } else { (BASE, &is) };
            let kind = "customer.subscription.updated";
            let mut body = bodies::event(&format!("evt_{number:02}"), kind, created, now.clone());
            body["data"]["previous_attributes"] = bodies::previous_attributes(&was, now);
            bodies::decode(body.to_string()).unwrap()
        });
        let events: Vec<Event> = events.collect();
        let accounts = accounts_after(&events, &(0..events.len()).collect::<Vec<_>>());
        let views = accounts.views(&policy(), after(0));
        views.values().next().unwrap().in_doubt
    };
    assert!(!doubt_after(31) && !doubt_after(32));
    assert!(doubt_after(33));
}

/// Delivers in batches of these sizes, over and over.
async fn state_after(
    events: &[Event],
    order: &[usize],
    batches: &[usize],
    now: Timestamp,
) -> State {
    let capacity = Capacity {
        batch: 7,
        ..Capacity::default()
    };
    let ledger = TestLedger::start_with(policy(), capacity).await;
    let mut rest: Vec<&Event> = order.iter().map(|index| &events[*index]).collect();
    for size in batches.iter().cycle() {
        let batch: Vec<_> = rest.drain(..rest.len().min(*size)).collect();
        ledger.ingest_together(&batch, now).await;
        if rest.is_empty() {
            break;
        }
    }
    let state = State::of(&ledger).await;
    ledger.stop().await;
    state
}

/// What the mirror's rows must be by the pure functions.
fn mirrors_of(accounts: &Accounts, now: Timestamp) -> Vec<Value> {
    let rows = accounts.entitlements(&policy(), now).into_iter();
    rows.map(|(owner, entitlement)| {
        json!({
            "queue_customer_id": owner,
            "plan_tier": entitlement.plan_tier,
            "status": entitlement.status,
            "current_period_end": entitlement.current_period_end.map(MirrorTime::from),
            "next_deadline": entitlement.next_deadline,
            "grace_ends_at": entitlement.grace_ends_at,
            "in_doubt": u8::from(entitlement.in_doubt),
        })
    })
    .collect()
}

#[test]
fn any_order_and_batching_ends_in_the_same_tables_o1() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let batches = prop::collection::vec(1_usize..6, 1..4);
    let cases = (
        deliveries(2),
        batches,
        prop::sample::select(vec![0, 2 * DAY, 8 * DAY, 40 * DAY]),
    );
    let property = Property::in_cases(60).of_databases();
    property.holds(cases, |(Deliveries { events, orders }, batches, later)| {
        // All events are at most eight days young, or they would be set aside.
        let now = after(later + 8 * DAY);
        let in_order: Vec<usize> = (0..events.len()).collect();
        let expected = runtime.block_on(state_after(&events, &in_order, &[1], now));
        let accounts = accounts_after(&events, &in_order);
        prop_assert_eq!(&expected.0["mirror_row"], &mirrors_of(&accounts, now));
        for order in orders {
            let state = runtime.block_on(state_after(&events, &order, &batches, now));
            prop_assert_eq!(
                &state,
                &expected,
                "delivered as {:?} by {:?}",
                order,
                batches
            );
        }
        Ok(())
    });
}

/// All that is stored, on one kind of database.
async fn everything_after(
    engine: Engine,
    events: &[Event],
    order: &[usize],
    batches: &[usize],
) -> BTreeMap<String, Vec<Value>> {
    let database = Database::create_on(engine);
    let ledger = TestLedger::start_in(database, policy(), Capacity::default(), |store| store).await;
    let mut rest: Vec<&Event> = order.iter().map(|index| &events[*index]).collect();
    let mut now = after(8 * DAY);
    for (worker, size) in batches.iter().cycle().enumerate() {
        let batch: Vec<_> = rest.drain(..rest.len().min(*size)).collect();
        ledger.ingest_together(&batch, now).await;
        // Now and then some rows are taken from the outbox, and one of them fails.
        let times = [now, now + SignedDuration::from_secs(5)].map(MirrorTime::from_timestamp);
        let holder = format!("worker-{worker}");
        let leased = ledger.store.lease(&holder, 500, times[0], times[1]).await;
        let mut rows: Vec<_> = leased.unwrap().into_iter().map(|dirty| dirty.row).collect();
        rows.sort_by(|one, other| one.queue_customer_id.cmp(&other.queue_customer_id));
        let mut rows = rows.into_iter();
        if worker % 2 == 0 {
            let retry = rows.next().map(|row| Retry {
                customer: row.queue_customer_id,
                version: row.updated_at,
                due_at: times[1],
            });
            let sent = rows.next().map(|row| Sent {
                customer: row.queue_customer_id,
                version: row.updated_at,
            });
            let (sent, retries) = (Vec::from_iter(sent), Vec::from_iter(retry));
            ledger.store.settle(&holder, &sent, &retries).await.unwrap();
        }
        now += SignedDuration::from_hours(20);
        if rest.is_empty() {
            break;
        }
    }
    let mut everything = BTreeMap::new();
    for table in tables(&ledger.pool, engine).await {
        // Not what the migrator keeps for itself.
        if !table.starts_with('_') {
            everything.insert(table.clone(), ledger.rows(&table).await);
        }
    }
    let depth = ledger.store.refresh_depth().await.unwrap();
    everything.insert("waiting".to_owned(), vec![json!(depth.waiting)]);
    ledger.stop().await;
    everything
}

#[test]
fn both_stores_agree_g13() {
    if !postgres_is_at_hand() {
        eprintln!("skipped: TEST_POSTGRES_URL leads to no PostgreSQL; cargo xtask test starts one");
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let batches = prop::collection::vec(1_usize..6, 1..4);
    let property = Property::in_cases(20).of_databases();
    property.holds(
        (deliveries(1), batches),
        |(Deliveries { events, orders }, batches)| {
            let [sqlite, postgres] = [Engine::Sqlite, Engine::Postgres].map(|engine| {
                runtime.block_on(everything_after(engine, &events, &orders[0], &batches))
            });
            prop_assert_eq!(sqlite.len(), 14);
            for (table, rows) in &sqlite {
                prop_assert_eq!(Some(rows), postgres.get(table), "{}", table);
            }
            prop_assert_eq!(sqlite.len(), postgres.len());
            Ok(())
        },
    );
}
