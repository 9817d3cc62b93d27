//! The audit chain: a row for every change and none without (C3), and every tampering found.

mod tampering;

use std::collections::BTreeSet;

use billing_core::audit::{AuditKey, Entry, Fault, FaultKind, GENESIS, Head, Row, Verifier};
use billing_core::ledger::{Capacity, Outcome};
use billing_core::mirror::MirrorTime;
use billing_core::store::{AuditLog, SqlStore};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::arbitrary::{BASE, DAY, Deliveries, deliveries};
use crate::property::Property;
use crate::test_ledger::{TestLedger, audit_key, policy};
use tampering::Chain;

/// Reads the whole chain of a store.
pub(crate) async fn chain_of(store: &SqlStore) -> (Vec<Row>, Head) {
    let head = store.audit_head().await.unwrap();
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let after = rows.last().map_or(0, |row| row.seq);
        let page = store.audit_rows_after(after).await.unwrap();
        if page.is_empty() {
            return (rows, head);
        }
        rows.extend(page);
    }
}

/// Verifies a chain: how many rows there are, or where it breaks.
pub(crate) fn verify(rows: &[Row], head: &Head, key: &AuditKey) -> Result<u64, Fault> {
    let mut verifier = Verifier::new(key);
    for row in rows {
        verifier.take(row)?;
    }
    verifier.finish(head)
}

#[test]
fn every_change_has_its_audit_rows_and_nothing_else_has_c3() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let batches = prop::collection::vec(1_usize..6, 1..4);
    let property = Property::in_cases(30).of_databases();
    property.holds(
        (deliveries(1), batches),
        |(Deliveries { events, orders }, batches)| {
            runtime.block_on(async {
                let ledger = TestLedger::start_with(policy(), Capacity::default()).await;
                let mut applied = BTreeSet::new();
                let mut rest: Vec<_> = orders[0].iter().map(|index| &events[*index]).collect();
                let mut now = Timestamp::from_second(BASE + 8 * DAY).unwrap();
                for size in batches.iter().cycle() {
                    let batch: Vec<_> = rest.drain(..rest.len().min(*size)).collect();
                    let outcomes = ledger.ingest_together(&batch, now).await;
                    now += jiff::SignedDuration::from_hours(20);
                    let changed = batch
                        .iter()
                        .zip(outcomes)
                        .filter(|(_, o)| *o == Outcome::Applied);
                    applied.extend(changed.map(|(event, _)| event.id.to_string()));
                    if rest.is_empty() {
                        break;
                    }
                }
                let (rows, head) = chain_of(&ledger.store).await;
                prop_assert_eq!(verify(&rows, &head, &audit_key()), Ok(head.seq));
                let written: BTreeSet<_> =
                    rows.iter().filter_map(|row| row.event_id.clone()).collect();
                prop_assert_eq!(written, applied);
                ledger.stop().await;
                Ok(())
            })
        },
    );
}

#[test]
fn any_flipped_bit_of_a_seal_or_of_what_it_seals_is_found_c3() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (rows, head) = runtime.block_on(async { chain_of(&Chain::write().await.store).await });
    let cases = (any::<Index>(), any::<Index>(), 0..8_u32, any::<bool>());
    Property::in_cases(3000).holds(cases, |(row, at, bit, of_mac)| {
        let mut rows = rows.clone();
        let row = row.index(rows.len());
        let flip = |mut bytes: Vec<u8>| {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            bytes
        };
        if of_mac {
            // What is no text any more could not even be stored.
            let mac = flip(rows[row].mac.clone().into_bytes());
            rows[row].mac = String::from_utf8_lossy(&mac).into_owned();
        } else {
            rows[row].preimage = flip(rows[row].preimage.clone());
        }
        let fault = verify(&rows, &head, &audit_key());
        let expected = Fault {
            seq: row as u64 + 1,
            kind: FaultKind::Altered,
        };
        prop_assert_eq!(fault, Err(expected));
        Ok(())
    });
}

#[test]
fn different_entries_never_have_the_same_bytes_c3() {
    let text = || prop_oneof![Just(String::new()), "[a-b]{0,3}", "\\PC{0,6}"];
    let entry = || {
        let texts = [text(), text(), text(), text(), text(), text()];
        (1_u64..4, 0_i64..3, texts, prop::option::of(0_u8..2)).prop_map(
            |(seq, micros, texts, previous)| {
                let [actor, action, subject, event_id, details, key_id] = texts;
                let recorded_at = Timestamp::from_microsecond(micros).unwrap();
                Entry {
                    seq,
                    recorded_at: MirrorTime::from_timestamp(recorded_at),
                    actor,
                    action,
                    subject,
                    event_id: Some(event_id).filter(|id| !id.is_empty()),
                    details,
                    key_id,
                    previous_mac: previous.map_or(hex::encode(GENESIS), |byte| {
                        format!("{byte:02x}").repeat(32)
                    }),
                }
            },
        )
    };
    Property::in_cases(500).holds((entry(), entry()), |(one, other)| {
        prop_assert_eq!(Entry::from_bytes(&one.to_bytes()), Ok(one.clone()));
        prop_assert_eq!(one.to_bytes() == other.to_bytes(), one == other);
        Ok(())
    });
}
