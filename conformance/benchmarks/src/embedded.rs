//! A ledger and its mirror in one process with nothing else: what no server around them could be faster than.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use billing_core::alert::Alerts;
use billing_core::ledger::{Capacity, Ledger};
use billing_core::mirror::FanOut;
use billing_core::policy::Policy;
use futures::future::try_join_all;
use jiff::Timestamp;

use crate::bare::{audit_key, decode, open};
use crate::event::Event;

/// Events per second: read beforehand, so many in flight, the mirror fed meanwhile.
pub async fn rate(
    url: &str,
    policy: Policy,
    events: impl Iterator<Item = Event>,
    in_flight: usize,
) -> Result<f64> {
    let store = open(url).await?;
    let mirror = store.mirror().await?;
    let (ledger, task) = Ledger::start(
        store.clone(),
        policy,
        audit_key()?,
        Alerts::default(),
        (),
        Capacity::default(),
    )
    .await?;
    let events = events.map(decode).collect::<Result<Vec<_>>>()?;
    let count = events.len();
    let feeding = tokio::spawn({
        let (fan_out, ledger) = (
            FanOut::new(store.clone(), mirror, "embedded"),
            ledger.clone(),
        );
        async move {
            loop {
                ledger.mirror_changed().await;
                while fan_out.pass(Timestamp::now()).await?.more {}
            }
            #[expect(unreachable_code, reason = "tells the type of the error")]
            anyhow::Ok(())
        }
    });
    let waiting = Arc::new(Mutex::new(events.into_iter()));
    let began = Instant::now();
    let callers = (0..in_flight).map(|_| {
        let (ledger, waiting) = (ledger.clone(), Arc::clone(&waiting));
        tokio::spawn(async move {
            let next = || {
                waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .next()
            };
            while let Some(event) = next() {
                ledger.ingest(event, Timestamp::now()).await?;
            }
            anyhow::Ok(())
        })
    });
    for ended in try_join_all(callers).await? {
        ended?;
    }
    let took = began.elapsed();
    feeding.abort();
    let _aborted = feeding.await;
    drop(ledger);
    task.await?;
    store.close().await;
    Ok(count as f64 / took.as_secs_f64())
}
