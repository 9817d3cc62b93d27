//! The ledger under stress: poison, overload, callers that go away, clocks that stand still.

use std::time::Duration;

use billing_core::alert::{Alert, Alerts};
use billing_core::audit::AuditKey;
use billing_core::catalogue::Tier;
use billing_core::event::Event;
use billing_core::id::{CustomerId, EventId, PriceId};
use billing_core::ledger::{Capacity, Command, Ledger, LedgerError, Outcome, StartError};
use billing_core::store::StoreError;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::{query_scalar, raw_sql};
use test_database::Engine;

use crate::arbitrary::BASE;
use crate::audit::{chain_of, verify};
use crate::bodies::{self, Shape};
use crate::test_ledger::{Database, TestLedger, audit_key, policy};
use crate::unruly::Unruly;

fn now() -> Timestamp {
    Timestamp::from_second(BASE).unwrap()
}

fn id(number: usize) -> EventId {
    EventId::parse(format!("evt_{number}")).unwrap()
}

/// An event of an account of its own.
pub(crate) fn event(number: usize) -> Event {
    subscription_event(number, number, "active", BASE)
}

/// An event of a customer's subscription, made at some time.
pub(crate) fn subscription_event(
    number: usize,
    customer: usize,
    status: &str,
    created: i64,
) -> Event {
    let state = json!({ "customer": format!("cus_{customer}"), "status": status,
        "prices": ["price_pro"], "end": BASE + 86_400 });
    let object = Shape::Basil.subscription(&format!("sub_{customer}"), &state);
    let kind = "customer.subscription.updated";
    let body = bodies::event(&format!("evt_{number}"), kind, created, object);
    bodies::decode(body.to_string()).unwrap()
}

/// The same event with an object that can't be read.
fn unreadable(number: usize) -> Event {
    let object = json!({ "object": "subscription", "id": format!("sub_{number}") });
    let kind = "customer.subscription.updated";
    let body = bodies::event(&format!("evt_{number}"), kind, BASE, object);
    bodies::decode(body.to_string()).unwrap()
}

type Answer = Result<Outcome, LedgerError>;

async fn commit_all(ledger: &TestLedger, events: &[Event]) -> Vec<Answer> {
    let commits = events
        .iter()
        .map(|event| ledger.ledger.ingest(event.clone(), now()));
    futures::future::join_all(commits).await
}

async fn count(ledger: &TestLedger, table: &str) -> usize {
    ledger.rows(table).await.len()
}

async fn assert_chain_is_whole(ledger: &TestLedger) {
    let (rows, head) = chain_of(&ledger.store).await;
    assert_eq!(verify(&rows, &head, &audit_key()), Ok(head.seq));
}

async fn start_around(unruly: &Unruly, capacity: Capacity) -> TestLedger {
    TestLedger::start_over(policy(), capacity, |store| unruly.around(store)).await
}

#[tokio::test]
async fn a_command_that_is_refused_or_panics_harms_only_itself() {
    let unruly = Unruly::new();
    let ledger = start_around(&unruly, Capacity::default()).await;
    unruly.set(|vices| {
        vices.refuses.insert(id(3));
        vices.panics.insert(id(5));
    });
    let events: Vec<Event> = (0..8).map(event).collect();
    let answers = commit_all(&ledger, &events).await;
    for (number, answer) in answers.into_iter().enumerate() {
        let expected = match number {
            3 => Err(LedgerError::Store(StoreError::Refused)),
            5 => Err(LedgerError::Panicked),
            _ => Ok(Outcome::Applied),
        };
        assert_eq!(answer, expected, "event {number}");
    }
    assert_eq!(count(&ledger, "processed_stripe_events").await, 6);
    assert_eq!(count(&ledger, "billing_subscription").await, 6);
    assert_chain_is_whole(&ledger).await;
    assert!(ledger.take_alerts().contains(&Alert::CommandFailed));
    unruly.set(|vices| {
        vices.refuses.clear();
        vices.panics.clear();
    });
    assert_eq!(
        commit_all(&ledger, &[event(3), event(5)]).await,
        [Ok(Outcome::Applied); 2]
    );
}

#[tokio::test]
async fn nothing_is_kept_while_the_store_is_away_and_all_is_when_it_is_back_c1() {
    let unruly = Unruly::new();
    let ledger = start_around(&unruly, Capacity::default()).await;
    unruly.set(|vices| vices.unavailable = true);
    let away = Err(LedgerError::Store(StoreError::Unavailable));
    assert_eq!(commit_all(&ledger, &[event(1), event(2)]).await, [away; 2]);
    assert_eq!(count(&ledger, "processed_stripe_events").await, 0);
    unruly.set(|vices| vices.unavailable = false);
    assert_eq!(
        commit_all(&ledger, &[event(1), event(2)]).await,
        [Ok(Outcome::Applied); 2]
    );
    assert_eq!(ledger.take_alerts(), []);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_ends_as_a_duplicate_c1() {
    let unruly = Unruly::new();
    let ledger = start_around(&unruly, Capacity::default()).await;
    unruly.set(|vices| vices.loses_answers = true);
    let unknown = Err(LedgerError::Store(StoreError::CommitUnknown));
    assert_eq!(commit_all(&ledger, &[event(1)]).await, [unknown]);
    unruly.set(|vices| vices.loses_answers = false);
    assert_eq!(
        commit_all(&ledger, &[event(1)]).await,
        [Ok(Outcome::Duplicate)]
    );
    assert_chain_is_whole(&ledger).await;
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_loses_nothing_it_took() {
    let unruly = Unruly::stuck();
    let capacity = Capacity {
        waiting: 2,
        batch: 1,
    };
    let ledger = start_around(&unruly, capacity).await;
    let first = tokio::spawn({
        let ledger = ledger.ledger.clone();
        async move { ledger.ingest(event(0), now()).await }
    });
    // One is in the store's hands, two wait.
    while unruly.vices.lock().unwrap().begun < 2 {
        tokio::task::yield_now().await;
    }
    let events: Vec<Event> = (1..6).map(event).collect();
    let answers = commit_all(&ledger, &events);
    let release = async {
        assert_eq!(ledger.ledger.waiting(), 2);
        unruly.permits.add_permits(3);
    };
    let (answers, ()) = tokio::join!(answers, release);
    let overloaded = Err(LedgerError::Overloaded);
    let taken = Ok(Outcome::Applied);
    assert_eq!(answers, [taken, taken, overloaded, overloaded, overloaded]);
    assert_eq!(first.await.unwrap(), taken);
    assert_eq!(count(&ledger, "processed_stripe_events").await, 3);
}

#[tokio::test]
async fn an_event_twice_in_one_batch_is_applied_once_c2() {
    let ledger = TestLedger::start().await;
    let answers = commit_all(&ledger, &[event(1), event(1), event(1)]).await;
    assert_eq!(
        answers,
        [
            Ok(Outcome::Applied),
            Ok(Outcome::Duplicate),
            Ok(Outcome::Duplicate)
        ]
    );
}

#[tokio::test]
async fn an_event_set_aside_and_taken_in_one_batch_is_set_aside_no_more_c2() {
    let ledger = TestLedger::start().await;
    let answers = commit_all(&ledger, &[unreadable(1), event(1)]).await;
    assert_eq!(answers, [Ok(Outcome::Quarantined), Ok(Outcome::Applied)]);
    assert_eq!(
        ledger.rows("billing_quarantine").await,
        [] as [serde_json::Value; 0]
    );
}

#[tokio::test]
async fn an_event_taken_and_contradicted_in_one_batch_is_released_and_the_contradiction_kept_c2() {
    let ledger = TestLedger::start().await;
    assert_eq!(
        commit_all(&ledger, &[unreadable(1)]).await,
        [Ok(Outcome::Quarantined)]
    );
    let contradiction = subscription_event(1, 1, "unpaid", BASE);
    let answers = commit_all(&ledger, &[event(1), contradiction]).await;
    assert_eq!(answers, [Ok(Outcome::Applied), Ok(Outcome::Duplicate)]);
    let rows = ledger.rows("billing_quarantine").await;
    let reasons: Vec<_> = rows.iter().map(|row| &row["reason"]).collect();
    assert_eq!(reasons, ["facts_differ"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_go_away_leave_no_transaction_open_and_lose_nothing() {
    const COUNT: usize = 200;
    let ledger = TestLedger::start().await;
    let mut random = 1_u64;
    for number in 0..COUNT {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let patience = Duration::from_micros((random >> 33) % 3000);
        let commit = ledger.ledger.ingest(event(number), now());
        // A caller is dropped before, while, or after its command is committed.
        let _ = tokio::time::timeout(patience, commit).await;
    }
    let events: Vec<Event> = (0..COUNT).map(event).collect();
    let answers = commit_all(&ledger, &events).await;
    let again = answers
        .iter()
        .filter(|answer| **answer == Ok(Outcome::Duplicate))
        .count();
    assert!(
        answers
            .iter()
            .all(|a| matches!(a, Ok(Outcome::Applied | Outcome::Duplicate)))
    );
    assert!(
        again > 0,
        "nobody was patient enough for this test to mean something"
    );
    assert_eq!(count(&ledger, "billing_subscription").await, COUNT);
    assert_chain_is_whole(&ledger).await;
    // Somebody else can write at once: no transaction of ours is open.
    let mut other = ledger.pool.acquire().await.unwrap();
    let taken = ledger.database.engine().pick(
        "pragma busy_timeout = 0; begin immediate; rollback",
        "begin; lock table billing_chain, billing_subscription in access exclusive mode nowait;
         rollback",
    );
    raw_sql(taken).execute(&mut *other).await.unwrap();
}

async fn start_with(database: &Database, key: AuditKey) -> Result<Ledger, StartError> {
    let store = database.store().await;
    let capacity = Capacity::default();
    let started = Ledger::start(store, policy(), key, Alerts::new([]), (), capacity).await;
    started.map(|(ledger, _)| ledger)
}

#[tokio::test]
async fn a_row_that_somebody_made_unreadable_harms_only_its_account() {
    let ledger = TestLedger::start().await;
    commit_all(&ledger, &[event(1), event(2)]).await;
    let engine = ledger.database.engine();
    let spoilt = engine.pick(
        "update billing_subscription set contenders = '7' where stripe_customer_id = 'cus_1'",
        "update billing_subscription set stamp = 'infinity' where stripe_customer_id = 'cus_1'",
    );
    raw_sql(spoilt).execute(&ledger.pool).await.unwrap();
    let next = |id| subscription_event(id + 2, id, "unpaid", BASE + 1);
    let answers = commit_all(&ledger, &[next(1), next(2)]).await;
    let unreadable = Err(LedgerError::Store(StoreError::Corrupt));
    assert_eq!(answers, [unreadable, Ok(Outcome::Applied)]);
    assert_chain_is_whole(&ledger).await;
}

#[tokio::test]
async fn a_ledger_does_not_start_with_another_audit_key_c4() {
    let other = || AuditKey::parse(&format!("{}{}", "ab".repeat(31), "cd")).unwrap();
    let unwritten = Database::create();
    assert!(
        start_with(&unwritten, other()).await.is_ok(),
        "a chain without rows has no key"
    );
    let ledger = TestLedger::start().await;
    ledger.ingest(&event(1), now()).await;
    let written = ledger.stop().await;
    let refused = start_with(&written, other()).await;
    assert_eq!(refused.err(), Some(StartError::OtherAuditKey));
    let ledger = start_with(&written, audit_key()).await.unwrap();
    assert_eq!(ledger.ingest(event(1), now()).await, Ok(Outcome::Duplicate));
}

async fn version(ledger: &TestLedger) -> String {
    let rows = ledger.rows("mirror_row").await;
    rows[0]["updated_at"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn versions_grow_when_the_clock_stands_still_or_goes_back_and_only_with_the_row_m2() {
    let ledger = TestLedger::start().await;
    let mut last = String::new();
    for (number, (status, hours, changes)) in [
        ("active", 0, true),
        ("unpaid", 0, true),
        ("active", -1, true),
        ("active", 1, false),
        ("active", 2, false),
        ("unpaid", -20, true),
        ("active", 3, true),
    ]
    .into_iter()
    .enumerate()
    {
        let now = now() + SignedDuration::from_hours(hours);
        let created = BASE - 1000 + i64::try_from(number).unwrap();
        let event = subscription_event(number, 1, status, created);
        assert_eq!(ledger.ingest(&event, now).await, Outcome::Applied);
        let version = version(&ledger).await;
        assert_eq!(
            version > last,
            changes,
            "{number}: {last} and then {version}"
        );
        assert!(version >= last);
        last = version;
    }
    assert_eq!(last, "2027-01-15 11:00:00.000000");
    assert_chain_is_whole(&ledger).await;
}

#[tokio::test]
async fn a_registered_customer_has_a_row_and_keeps_it_m6() {
    let ledger = TestLedger::start().await;
    let register = || Command::RegisterCustomer(CustomerId::parse("ann").unwrap());
    assert_eq!(
        ledger.ledger.commit(register(), now()).await,
        Ok(Outcome::Applied)
    );
    let row = ledger.rows("mirror_row").await;
    assert_eq!(
        (&row[0]["plan_tier"], &row[0]["status"]),
        (&json!("free"), &json!("none"))
    );
    assert_eq!(
        ledger.ledger.commit(register(), now()).await,
        Ok(Outcome::Duplicate)
    );
    assert_eq!(ledger.rows("mirror_row").await, row);
    assert_chain_is_whole(&ledger).await;
}

#[tokio::test]
async fn registering_again_applies_a_catalogue_that_has_changed_a5_m6() {
    let body = r#"{"object":"event","id":"evt_1","type":"customer.subscription.created",
        "created":1800000000,"livemode":false,"data":{"object":{"object":"subscription","id":"sub_1",
        "customer":"cus_1","status":"active","items":{"data":[{"price":{"id":"price_new"},
        "quantity":1,"current_period_end":1802592000}]}}}}"#;
    let database = {
        let before = TestLedger::start().await;
        before.ingest(&bodies::decode(body).unwrap(), now()).await;
        before.stop().await
    };
    let mut policy = policy();
    let (price, tier) = (
        PriceId::parse("price_new").unwrap(),
        Tier::parse("pro").unwrap(),
    );
    policy.catalogue = policy.catalogue.with_price(price, tier).unwrap();
    let store = database.store().await;
    let capacity = Capacity::default();
    let (ledger, _task) =
        Ledger::start(store, policy, audit_key(), Alerts::default(), (), capacity)
            .await
            .unwrap();
    let customer = CustomerId::parse("stripe:cus_1").unwrap();
    for outcome in [Outcome::Applied, Outcome::Duplicate] {
        let command = Command::RegisterCustomer(customer.clone());
        assert_eq!(ledger.commit(command, now()).await, Ok(outcome));
    }
    let tiers: Vec<String> = query_scalar("select plan_tier from mirror_row")
        .fetch_all(&database.intruder().await)
        .await
        .unwrap();
    assert_eq!(tiers, ["pro"]);
}

#[tokio::test]
async fn sessions_that_ended_while_nobody_asked_are_found_before_they_are_used() {
    let database = Database::create();
    if database.engine() == Engine::Sqlite {
        eprintln!("SKIPPED: SQLite has no sessions");
        return;
    }
    let shared = database.store().await;
    let apart = shared.apart().unwrap();
    for store in [&shared, &apart] {
        store.check().await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let intruder = database.intruder().await;
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()";
    let ended: i64 = query_scalar(end).fetch_one(&intruder).await.unwrap();
    assert!(ended >= 2, "{ended}");
    for store in [&shared, &apart] {
        store.check().await.unwrap();
    }
}
