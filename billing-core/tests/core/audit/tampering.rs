//! Tampering with a chain, past the ledger.

use billing_core::audit::{AuditKey, FaultKind, Row};
use billing_core::id::CustomerId;
use billing_core::ledger::{Command, Outcome};
use billing_core::store::{AuditLog, SqlStore};
use jiff::Timestamp;
use sqlx::{AnyPool, AssertSqlSafe, raw_sql};
use test_database::Engine;

use super::{chain_of, verify};
use crate::arbitrary::{BASE, DAY};
use crate::bodies::{self, Shape};
use crate::test_ledger::{Database, TestLedger, audit_key};

/// A database with a chain of some length in it, whose ledger has stopped.
pub(super) struct Chain {
    database: Database,
    intruder: AnyPool,
    pub(super) store: SqlStore,
    length: u64,
}

impl Chain {
    pub(super) async fn write() -> Self {
        let ledger = TestLedger::start().await;
        let now = Timestamp::from_second(BASE).unwrap();
        for number in 1..=4 {
            let state = serde_json::json!({ "customer": "cus_1", "status": "active",
                "prices": ["price_pro"], "end": BASE + number * DAY });
            let object = Shape::Basil.subscription("sub_1", &state);
            let (id, kind) = (format!("evt_{number}"), "customer.subscription.updated");
            let body = bodies::event(&id, kind, BASE + number, object);
            ledger
                .ingest(&bodies::decode(body.to_string()).unwrap(), now)
                .await;
        }
        let customer = CustomerId::parse("ann").unwrap();
        let registered = ledger
            .ledger
            .commit(Command::RegisterCustomer(customer), now)
            .await;
        assert_eq!(registered, Ok(Outcome::Applied));
        let database = ledger.stop().await;
        let (intruder, store) = (database.intruder().await, database.store().await);
        let length = store.audit_head().await.unwrap().seq;
        assert!(length >= 8, "too short a chain to tamper with");
        Self {
            database,
            intruder,
            store,
            length,
        }
    }

    async fn without_triggers() -> Self {
        let chain = Self::write().await;
        let of_table = chain.database.engine().pick("", " on billing_action_log");
        for trigger in [
            "billing_action_log_no_update",
            "billing_action_log_no_delete",
        ] {
            chain
                .run(&format!("drop trigger {trigger}{of_table}"))
                .await;
        }
        chain
    }

    async fn run(&self, statement: &str) {
        let statement = raw_sql(AssertSqlSafe(statement.to_owned()));
        statement.execute(&self.intruder).await.unwrap();
    }

    async fn fault_after(&self, statement: &str) -> Option<(u64, FaultKind)> {
        self.run(statement).await;
        self.fault().await
    }

    async fn fault(&self) -> Option<(u64, FaultKind)> {
        let (rows, head) = chain_of(&self.store).await;
        let fault = verify(&rows, &head, &audit_key()).err();
        fault.map(|fault| (fault.seq, fault.kind))
    }
}

#[tokio::test]
async fn every_tampering_is_found_where_it_begins_and_named_c3_c5() {
    use FaultKind::{Altered, ColumnsDiffer, Gap, HeadDiffers, OtherKey, Unlinked};
    let end = Chain::write().await.length;
    let log = |change: &str| format!("update billing_action_log set {change} where seq = 3");
    // A change of the bytes, written in hexadecimal.
    let preimage = |change: &str| {
        Engine::chosen().pick(
            format!(
                "preimage = unhex({})",
                change.replace("{}", "hex(preimage)")
            ),
            format!(
                "preimage = decode({}, 'hex')",
                change.replace("{}", "encode(preimage, 'hex')")
            ),
        )
    };
    let (third, last) = (Some(3), Some(end + 1));
    let copy = "insert into billing_action_log select";
    for (tampering, seq, kind) in [
        // Columns, to something else and to what does not even read.
        (
            log("recorded_at = '2027-01-15 08:00:00.000001'"),
            third,
            ColumnsDiffer,
        ),
        (log("recorded_at = 'yesterday'"), third, ColumnsDiffer),
        (log("actor = 'internal'"), third, ColumnsDiffer),
        (log("action = 'mirror.changed '"), third, ColumnsDiffer),
        (log("subject = 'sub_2'"), third, ColumnsDiffer),
        (log("event_id = 'evt_9'"), third, ColumnsDiffer),
        (log("event_id = ''"), third, ColumnsDiffer),
        (log("event_id = null"), third, ColumnsDiffer),
        (log("details = '{}'"), third, ColumnsDiffer),
        (log("details = details || ' '"), third, ColumnsDiffer),
        (log("details = 'not even JSON'"), third, ColumnsDiffer),
        // The sealed bytes and their seal.
        (log(&preimage("replace({}, '00', '01')")), third, Altered),
        (log("preimage = substr(preimage, 2)"), third, Altered),
        (log(&preimage("{} || '00'")), third, Altered),
        (log(&preimage("''")), third, Altered),
        (log("mac = upper(mac)"), third, Altered),
        (log(&format!("mac = '{}'", "0".repeat(64))), third, Altered),
        (
            log("mac = (select mac from billing_action_log where seq = 2)"),
            third,
            Altered,
        ),
        (log("key_id = '0123456789abcdef'"), third, OtherKey),
        // Rows that go, come and move.
        (
            "delete from billing_action_log where seq = 3".to_owned(),
            third,
            Gap,
        ),
        (
            "delete from billing_action_log where seq = 1".to_owned(),
            Some(1),
            Gap,
        ),
        (
            "delete from billing_action_log".to_owned(),
            Some(1),
            HeadDiffers,
        ),
        (
            "update billing_action_log set seq = seq + 1000 where seq >= 3".to_owned(),
            third,
            Gap,
        ),
        (swap(3, 4), third, Unlinked),
        (
            format!(
                "{copy} {end} + 1, recorded_at, actor, action, subject, event_id, details,
            preimage, mac, key_id from billing_action_log where seq = 3"
            ),
            last,
            Unlinked,
        ),
        (
            format!(
                "{copy} {end} + 1, recorded_at, actor, action, subject, event_id, details,
            preimage, '{}', key_id from billing_action_log where seq = 3",
                "1".repeat(64)
            ),
            last,
            Altered,
        ),
        // The end.
        (
            format!("delete from billing_action_log where seq = {end}"),
            Some(end),
            HeadDiffers,
        ),
        (
            "delete from billing_action_log where seq > 3".to_owned(),
            Some(4),
            HeadDiffers,
        ),
        (cut_with_its_head(4), None, HeadDiffers),
        (
            "update billing_chain set seq = seq - 1".to_owned(),
            Some(end),
            HeadDiffers,
        ),
        (
            "update billing_chain set seq = seq + 1".to_owned(),
            last,
            HeadDiffers,
        ),
        (
            format!("update billing_chain set mac = '{}'", "0".repeat(64)),
            last,
            HeadDiffers,
        ),
        (
            "update billing_chain set mac = upper(mac)".to_owned(),
            last,
            HeadDiffers,
        ),
        (
            "update billing_chain set seq = 0".to_owned(),
            Some(1),
            HeadDiffers,
        ),
        (set_back_to(3), Some(4), HeadDiffers),
        (
            "update billing_chain set key_check = 'another'".to_owned(),
            last,
            OtherKey,
        ),
        (
            "update billing_chain set key_check = null".to_owned(),
            last,
            OtherKey,
        ),
    ] {
        let chain = Chain::without_triggers().await;
        if tampering.contains("'yesterday'") && chain.database.engine() == Engine::Postgres {
            // A column of instants holds nothing else there.
            continue;
        }
        assert_eq!(chain.fault().await, None);
        let found = chain.fault_after(&tampering).await;
        assert_eq!(found, seq.map(|seq| (seq, kind)), "{tampering}");
        drop(chain.database);
    }
}

fn swap(one: u64, other: u64) -> String {
    let moves = [(one, 1000), (other, one), (1000, other)];
    moves
        .map(|(from, to)| format!("update billing_action_log set seq = {to} where seq = {from}"))
        .join("; ")
}

fn set_back_to(seq: u64) -> String {
    format!(
        "update billing_chain set seq = {seq},
        mac = (select mac from billing_action_log where seq = {seq})"
    )
}

/// Rows and head set back together: what only the head exported elsewhere can show (C5).
fn cut_with_its_head(seq: u64) -> String {
    format!(
        "{}; delete from billing_action_log where seq > {seq}",
        set_back_to(seq)
    )
}

#[tokio::test]
async fn a_chain_cut_with_its_head_differs_from_the_head_that_was_exported_c5() {
    let chain = Chain::without_triggers().await;
    let exported = chain.store.audit_head().await.unwrap();
    chain.run(&cut_with_its_head(4)).await;
    let (rows, _) = chain_of(&chain.store).await;
    let fault = verify(&rows, &exported, &audit_key()).unwrap_err();
    assert_eq!((fault.seq, fault.kind), (5, FaultKind::HeadDiffers));
}

#[tokio::test]
async fn another_key_verifies_nothing_c4() {
    let chain = Chain::write().await;
    let (rows, head) = chain_of(&chain.store).await;
    let other = AuditKey::parse(&"0f".repeat(31).replace("0f", "ab")).err();
    assert!(other.is_some(), "31 bytes are no key");
    let other = AuditKey::parse(&format!("{}{}", "ab".repeat(31), "cd")).unwrap();
    let fault = verify(&rows, &head, &other).unwrap_err();
    assert_eq!((fault.seq, fault.kind), (1, FaultKind::OtherKey));
    // Nor a chain in which only the key's id was replaced.
    let renamed = rows.iter().map(|row| Row {
        key_id: other.id().to_owned(),
        ..row.clone()
    });
    let renamed: Vec<Row> = renamed.collect();
    let fault = verify(&renamed, &head, &other).unwrap_err();
    assert_eq!((fault.seq, fault.kind), (1, FaultKind::Altered));
}

#[tokio::test]
async fn the_log_refuses_to_be_changed_c6() {
    let chain = Chain::write().await;
    for statement in [
        "update billing_action_log set subject = subject where seq = 1",
        "update billing_action_log set mac = '' where seq = 1",
        "delete from billing_action_log where seq = 1",
        "delete from billing_action_log",
    ] {
        let refused = raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&chain.intruder)
            .await;
        assert!(refused.is_err(), "{statement}");
    }
    assert_eq!(chain.fault().await, None);
}
