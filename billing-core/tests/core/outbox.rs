//! The outbox and the fan-out: nothing is lost, nothing old wins, nothing holds up others (M2, M3).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use billing_core::catalogue::Tier;
use billing_core::id::CustomerId;
use billing_core::ledger::{Command, Ledger};
use billing_core::mirror::{
    FanOut, MirrorError, MirrorReader, MirrorRow, MirrorSink, MirrorStatus, MirrorTime, Outbox,
    OutboxDepth, Pass, Sent, SinkError, SqlMirror,
};
use billing_core::store::SqlStore;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use sqlx::raw_sql;
use test_database::{Engine, TestDatabase};

use crate::arbitrary::BASE;
use crate::ledger::{event, subscription_event};
use crate::property::Property;
use crate::test_ledger::TestLedger;

fn after(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(BASE * 1000 + milliseconds).unwrap()
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

/// A mirror that remembers what it took, and fails on demand.
#[derive(Clone, Default)]
struct Mirror {
    rows: Arc<Mutex<Vec<MirrorRow>>>,
    fails: Arc<Mutex<Option<SinkError>>>,
    refuses: Option<&'static str>,
    /// How often it was asked, and the last time that it is there.
    asked: Arc<AtomicUsize>,
    goes_after: Option<usize>,
    /// What happens in the ledger while the next rows are sent.
    meanwhile: Arc<Mutex<Option<(Ledger, Command)>>>,
}

impl Mirror {
    fn statuses(&self) -> Vec<MirrorStatus> {
        self.rows
            .lock()
            .unwrap()
            .iter()
            .map(|row| row.status)
            .collect()
    }
}

impl MirrorSink for Mirror {
    async fn apply(&self, rows: &[MirrorRow]) -> Result<(), SinkError> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some((ledger, command)) = meanwhile {
            ledger.commit(command, after(1)).await.unwrap();
        }
        if let Some(error) = self.fails.lock().unwrap().clone() {
            return Err(error);
        }
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        if self.goes_after.is_some_and(|last| asked >= last) {
            return Err(SinkError::Unavailable);
        }
        let refused = |row: &MirrorRow| Some(row.queue_customer_id.as_str()) == self.refuses;
        if rows.iter().any(refused) {
            return Err(SinkError::Refused);
        }
        self.rows.lock().unwrap().extend_from_slice(rows);
        Ok(())
    }
}

fn fan_out(ledger: &TestLedger, mirror: &Mirror) -> FanOut<SqlStore, Mirror> {
    FanOut::new(ledger.store.clone(), mirror.clone(), "worker-1")
}

async fn waiting(ledger: &TestLedger) -> u64 {
    ledger.store.depth().await.unwrap().waiting
}

fn sent(count: usize) -> Pass {
    Pass {
        sent: count,
        ..Pass::default()
    }
}

fn failed(count: usize, error: SinkError) -> Pass {
    Pass {
        failed: count,
        error: Some(error),
        ..Pass::default()
    }
}

#[tokio::test]
async fn many_changes_of_a_row_are_one_entry_and_the_newest_is_sent_m3() {
    let (ledger, mirror) = (TestLedger::start().await, Mirror::default());
    for (number, status) in ["active", "unpaid", "paused"].into_iter().enumerate() {
        let created = BASE + i64::try_from(number).unwrap();
        let event = subscription_event(number, 1, status, created);
        ledger.ingest(&event, after(0)).await;
    }
    let depth = ledger.store.depth().await.unwrap();
    let oldest = Some(MirrorTime::from_timestamp(after(0)));
    assert_eq!(depth, OutboxDepth { waiting: 1, oldest });
    assert_eq!(fan_out(&ledger, &mirror).pass(after(1)).await, Ok(sent(1)));
    assert_eq!(mirror.statuses(), [MirrorStatus::Paused]);
    assert_eq!(waiting(&ledger).await, 0);
    assert_eq!(
        fan_out(&ledger, &mirror).pass(after(2)).await,
        Ok(Pass::default())
    );
}

#[tokio::test]
async fn a_version_that_moved_while_it_was_sent_stays_m3() {
    let (ledger, mirror) = (TestLedger::start().await, Mirror::default());
    ledger.ingest(&event(1), after(0)).await;
    let next = subscription_event(2, 1, "unpaid", BASE + 1);
    let command = Command::Ingest(Box::new(next));
    *mirror.meanwhile.lock().unwrap() = Some((ledger.ledger.clone(), command));
    assert_eq!(fan_out(&ledger, &mirror).pass(after(0)).await, Ok(sent(1)));
    assert_eq!(waiting(&ledger).await, 1);
    assert_eq!(fan_out(&ledger, &mirror).pass(after(2)).await, Ok(sent(1)));
    assert_eq!(
        mirror.statuses(),
        [MirrorStatus::Active, MirrorStatus::Unpaid]
    );
    assert_eq!(waiting(&ledger).await, 0);
}

#[tokio::test]
async fn a_version_that_moved_while_sending_failed_is_due_at_once_m3() {
    let (ledger, mirror) = (TestLedger::start().await, Mirror::default());
    ledger.ingest(&event(1), after(0)).await;
    let next = Command::Ingest(Box::new(subscription_event(2, 1, "unpaid", BASE + 1)));
    *mirror.meanwhile.lock().unwrap() = Some((ledger.ledger.clone(), next));
    *mirror.fails.lock().unwrap() = Some(SinkError::Unavailable);
    let pass = fan_out(&ledger, &mirror).pass(after(0)).await;
    assert_eq!(pass, Ok(failed(1, SinkError::Unavailable)));
    *mirror.fails.lock().unwrap() = None;
    assert_eq!(fan_out(&ledger, &mirror).pass(after(1)).await, Ok(sent(1)));
    assert_eq!(mirror.statuses(), [MirrorStatus::Unpaid]);
}

#[tokio::test]
async fn what_fails_is_sent_again_later_and_later_for_ever_m3() {
    let (ledger, mirror) = (TestLedger::start().await, Mirror::default());
    ledger.ingest(&event(1), after(0)).await;
    *mirror.fails.lock().unwrap() = Some(SinkError::Unavailable);
    let fan_out = fan_out(&ledger, &mirror);
    let mut now = after(0);
    for wait in [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60, 60, 60] {
        assert_eq!(
            fan_out.pass(now).await,
            Ok(failed(1, SinkError::Unavailable))
        );
        let too_soon = now + seconds(wait) - SignedDuration::from_micros(1);
        assert_eq!(fan_out.pass(too_soon).await, Ok(Pass::default()));
        now += seconds(wait);
    }
    let entries = ledger.rows("mirror_outbox").await;
    assert_eq!(entries[0]["attempts"], 14);
    *mirror.fails.lock().unwrap() = None;
    assert_eq!(fan_out.pass(now).await, Ok(sent(1)));
    assert_eq!(waiting(&ledger).await, 0);
}

#[tokio::test]
async fn a_row_that_the_mirror_refuses_harms_only_itself_m3() {
    let ledger = TestLedger::start().await;
    let mirror = Mirror {
        refuses: Some("stripe:cus_2"),
        ..Mirror::default()
    };
    for number in 1..=4 {
        ledger.ingest(&event(number), after(0)).await;
    }
    let fan_out = fan_out(&ledger, &mirror);
    let expected = Pass {
        sent: 3,
        ..failed(1, SinkError::Refused)
    };
    assert_eq!(fan_out.pass(after(0)).await, Ok(expected));
    let entries = ledger.rows("mirror_outbox").await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["queue_customer_id"], "stripe:cus_2");
    assert_eq!(mirror.statuses().len(), 3);
}

#[tokio::test]
async fn few_requests_find_a_row_that_is_refused_and_a_mirror_that_goes_is_left_alone_m3() {
    let ledger = TestLedger::start().await;
    let registrations = (0..500).map(|number| {
        let customer = CustomerId::parse(format!("user-{number}")).unwrap();
        let command = Command::RegisterCustomer(customer);
        ledger.ledger.commit(command, after(0))
    });
    futures::future::join_all(registrations).await;
    let goes = Mirror {
        refuses: Some("user-300"),
        goes_after: Some(3),
        ..Mirror::default()
    };
    let pass = fan_out(&ledger, &goes).pass(after(0)).await.unwrap();
    assert_eq!(pass.sent + pass.failed, 500);
    assert_eq!(pass.sent, goes.statuses().len());
    assert_eq!(pass.error, Some(SinkError::Unavailable));
    assert_eq!(goes.asked.load(Ordering::SeqCst), 4);

    let stays = Mirror {
        goes_after: None,
        asked: Arc::default(),
        ..goes
    };
    let pass = fan_out(&ledger, &stays).pass(after(1_000)).await.unwrap();
    assert_eq!((pass.failed, pass.error), (1, Some(SinkError::Refused)));
    assert_eq!(stays.statuses().len(), 499);
    assert_eq!(waiting(&ledger).await, 1);
    let asked = stays.asked.load(Ordering::SeqCst);
    assert!(asked <= 19, "{asked} requests");
}

#[tokio::test]
async fn without_its_table_the_mirror_gets_nothing_and_nothing_is_lost_m3() {
    let ledger = TestLedger::start().await;
    let empty = TestDatabase::existing(Engine::chosen());
    let mirror = SqlMirror::open(empty.url()).unwrap();
    ledger.ingest(&event(1), after(0)).await;
    ledger.ingest(&event(2), after(0)).await;
    let fan_out = FanOut::new(ledger.store.clone(), mirror.clone(), "worker-1");
    assert_eq!(
        fan_out.pass(after(0)).await,
        Ok(failed(2, SinkError::TableMissing))
    );
    assert_eq!(waiting(&ledger).await, 2);
    SqlMirror::create(empty.url()).await.unwrap();
    assert_eq!(fan_out.pass(after(1000)).await, Ok(sent(2)));
    let customer = CustomerId::parse("stripe:cus_1").unwrap();
    let row = mirror.read(&customer).await.unwrap().unwrap();
    assert_eq!(row.status, MirrorStatus::Active);
    assert_eq!(waiting(&ledger).await, 0);
    mirror.close().await;
}

#[tokio::test]
async fn a_lease_keeps_others_away_until_it_runs_out_m3() {
    let (ledger, mirror) = (TestLedger::start().await, Mirror::default());
    ledger.ingest(&event(1), after(0)).await;
    // A worker that takes rows and is never heard of again.
    let (now, until) = [after(0), after(5_000)]
        .map(MirrorTime::from_timestamp)
        .into();
    let taken = ledger
        .store
        .lease("worker-0", 500, now, until)
        .await
        .unwrap();
    assert_eq!(taken.len(), 1);
    let fan_out = fan_out(&ledger, &mirror);
    assert_eq!(fan_out.pass(after(0)).await, Ok(Pass::default()));
    assert_eq!(fan_out.pass(after(4_999)).await, Ok(Pass::default()));
    assert_eq!(fan_out.pass(after(5_000)).await, Ok(sent(1)));
}

#[tokio::test]
async fn nothing_waits_for_a_time_that_the_clock_has_left_m3() {
    let (ledger, mirror) = (TestLedger::start().await, Mirror::default());
    let hour = 3_600_000;
    // Marked, and then leased, by a clock that is an hour ahead.
    ledger.ingest(&event(1), after(hour)).await;
    let (now, until) = [after(hour), after(hour + 5_000)]
        .map(MirrorTime::from_timestamp)
        .into();
    let taken = ledger.store.lease("worker-0", 500, now, until).await;
    assert_eq!(taken.unwrap().len(), 1);
    let fan_out = fan_out(&ledger, &mirror);
    assert_eq!(fan_out.pass(after(0)).await, Ok(sent(1)));
}

#[tokio::test]
async fn what_was_sent_is_done_also_by_a_worker_whose_lease_ran_out_m3() {
    let ledger = TestLedger::start().await;
    ledger.ingest(&event(1), after(0)).await;
    let at = |milliseconds| MirrorTime::from_timestamp(after(milliseconds));
    let slow = ledger
        .store
        .lease("worker-0", 500, at(0), at(60_000))
        .await
        .unwrap();
    let next = ledger
        .store
        .lease("worker-1", 500, at(60_000), at(120_000))
        .await
        .unwrap();
    assert_eq!((slow.len(), next.len()), (1, 1));
    let row = slow.into_iter().next().unwrap().row;
    let sent = [Sent {
        customer: row.queue_customer_id,
        version: row.updated_at,
    }];
    ledger.store.settle("worker-0", &sent, &[]).await.unwrap();
    assert_eq!(waiting(&ledger).await, 0, "that version has arrived");
    ledger.store.settle("worker-1", &sent, &[]).await.unwrap();
    assert_eq!(waiting(&ledger).await, 0);
}

#[tokio::test]
async fn a_change_is_due_at_once_when_the_clock_stands_still_or_went_back_m2_m3() {
    let (ledger, mirror) = (TestLedger::start().await, Mirror::default());
    let fan_out = fan_out(&ledger, &mirror);
    let an_hour_ago = after(0) - seconds(3600);
    for (number, (status, now)) in [
        ("active", after(0)),
        ("unpaid", after(0)),
        ("active", an_hour_ago),
    ]
    .into_iter()
    .enumerate()
    {
        let created = BASE + i64::try_from(number).unwrap();
        let event = subscription_event(number, 1, status, created);
        ledger.ingest(&event, now).await;
        assert_eq!(fan_out.pass(now).await, Ok(sent(1)), "{status}, {number}");
    }
}

#[tokio::test]
async fn more_rows_than_one_pass_takes_are_told_of_m3() {
    let (ledger, mirror) = (TestLedger::start().await, Mirror::default());
    let registrations = (0..501).map(|number| {
        let customer = CustomerId::parse(format!("user-{number}")).unwrap();
        ledger
            .ledger
            .commit(Command::RegisterCustomer(customer), after(0))
    });
    futures::future::join_all(registrations).await;
    let fan_out = fan_out(&ledger, &mirror);
    assert_eq!(
        fan_out.pass(after(0)).await,
        Ok(Pass {
            more: true,
            ..sent(500)
        })
    );
    assert_eq!(fan_out.pass(after(0)).await, Ok(sent(1)));
}

#[tokio::test]
async fn an_instant_that_is_none_closes_the_gate_and_does_not_pass_for_a_missing_one() {
    let database = TestDatabase::new(Engine::chosen());
    let mirror = SqlMirror::create(database.url()).await.unwrap();
    // A column of SQLite's does not even hold one.
    let result = raw_sql(
        "insert into billing_subscription_mirror
         values ('ann', 'pro', 'active', 'infinity', '2027-01-15 08:00:00.000000')",
    )
    .execute(&database.connect().await)
    .await;
    let read = mirror.read(&CustomerId::parse("ann").unwrap()).await;
    match database.engine() {
        Engine::Sqlite => assert!(result.is_err() && read == Ok(None)),
        Engine::Postgres => assert!(matches!(read, Err(MirrorError::Malformed(_))), "{read:?}"),
    }
    mirror.close().await;
}

/// Rows of two customers in a few versions: a version has one content.
fn rows() -> impl Strategy<Value = Vec<MirrorRow>> {
    let statuses = [
        MirrorStatus::Active,
        MirrorStatus::Unpaid,
        MirrorStatus::None,
    ];
    let row = (0..2_usize, 0..6_i64).prop_map(move |(customer, version)| MirrorRow {
        queue_customer_id: CustomerId::parse(["ann", "bob"][customer]).unwrap(),
        plan_tier: Tier::parse(["free", "pro"][usize::try_from(version).unwrap() % 2]).unwrap(),
        status: statuses[usize::try_from(version).unwrap() % 3],
        current_period_end: (version > 2).then(|| MirrorTime::from_timestamp(after(version))),
        updated_at: MirrorTime::from_timestamp(after(version)),
    });
    prop::collection::vec(row, 1..12)
}

#[test]
fn rows_applied_in_any_order_and_any_number_of_times_end_with_the_newest_m2() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let batches = prop::collection::vec(1_usize..5, 1..4);
    let property = Property::in_cases(40).of_databases();
    property.holds((rows(), batches), |(rows, batches)| {
        runtime.block_on(async {
            let database = TestDatabase::new(Engine::chosen());
            let mirror = SqlMirror::create(database.url()).await.unwrap();
            let mut rest = rows.as_slice();
            for size in batches.iter().cycle() {
                let (batch, others) = rest.split_at(rest.len().min(*size));
                mirror.apply(batch).await.unwrap();
                rest = others;
                if rest.is_empty() {
                    break;
                }
            }
            for customer in ["ann", "bob"] {
                let customer = CustomerId::parse(customer).unwrap();
                let newest = rows.iter().filter(|row| row.queue_customer_id == customer);
                let newest = newest.max_by_key(|row| row.updated_at).cloned();
                prop_assert_eq!(mirror.read(&customer).await, Ok(newest));
            }
            mirror.close().await;
            Ok(())
        })
    });
}
