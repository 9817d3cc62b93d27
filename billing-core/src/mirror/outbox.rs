//! The outbox: what must still reach the mirror (M3).
//!
//! A commit marks the customers whose row changed; each is one entry however often it changes.
//! [`FanOut`] leases entries, sends the newest rows, and takes away only the entries whose version
//! is the one it sent: a change that came meanwhile stays. What fails is sent again, later and
//! later, for ever; nothing is dropped. A process that dies leaves its lease to run out.

use std::future::Future;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{MirrorRow, MirrorSink, MirrorTime, SinkError};
use crate::id::CustomerId;
use crate::store::StoreError;

/// How long a lease lasts: that long rows wait that a killed process held. A sink that takes longer
/// only has rows sent to it twice.
const LEASE: SignedDuration = SignedDuration::from_secs(5);
/// The most rows that one pass sends.
const PASS_ROWS: u32 = 500;
/// The first wait after a failure; doubled for every further one.
const FIRST_BACK_OFF: SignedDuration = SignedDuration::from_secs(1);
/// The longest wait.
pub(crate) const LONGEST_BACK_OFF: SignedDuration = SignedDuration::from_secs(60);

/// An entry of the outbox: the row to send, and how often that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirty {
    /// The row as it is now.
    pub row: MirrorRow,
    /// Failed attempts so far.
    pub attempts: u32,
}

/// A row that reached the mirror.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Whose.
    pub customer: CustomerId,
    /// Which version.
    pub version: MirrorTime,
}

/// A row that did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// Whose.
    pub customer: CustomerId,
    /// Which version.
    pub version: MirrorTime,
    /// When to try again.
    pub due_at: MirrorTime,
}

/// How much waits in the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct OutboxDepth {
    /// Customers whose row waits.
    pub waiting: u64,
    /// Since when the oldest of them waits.
    pub oldest: Option<MirrorTime>,
}

/// Where entries wait.
pub trait Outbox: Send + Sync + 'static {
    /// Takes entries that are due and that nobody else has.
    fn lease(
        &self,
        holder: &str,
        limit: u32,
        now: MirrorTime,
        until: MirrorTime,
    ) -> impl Future<Output = Result<Vec<Dirty>, StoreError>> + Send;

    /// Takes away what was sent, puts off what was not, and ends the lease.
    fn settle(
        &self,
        holder: &str,
        sent: &[Sent],
        retries: &[Retry],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// How much waits.
    fn depth(&self) -> impl Future<Output = Result<OutboxDepth, StoreError>> + Send;
}

/// Takes rows from an outbox to a mirror.
#[derive(Debug)]
pub struct FanOut<O, S> {
    outbox: O,
    sink: S,
    holder: String,
}

/// What one pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pass {
    /// Rows that reached the mirror.
    pub sent: usize,
    /// Rows that did not, and why the last of them.
    pub failed: usize,
    /// Why the last of them did not.
    pub error: Option<SinkError>,
    /// Whether there may be more to send at once.
    pub more: bool,
}

impl<O: Outbox, S: MirrorSink> FanOut<O, S> {
    /// From an outbox to a sink. The holder's name must differ from every other worker's.
    pub fn new(outbox: O, sink: S, holder: impl Into<String>) -> Self {
        Self {
            outbox,
            sink,
            holder: holder.into(),
        }
    }

    /// The outbox.
    pub fn outbox(&self) -> &O {
        &self.outbox
    }

    /// Sends what is due, once.
    ///
    /// # Errors
    /// [`StoreError`] when the outbox can't be read or written. What the sink did not take is no
    /// error: [`Pass::failed`] counts it.
    pub async fn pass(&self, now: Timestamp) -> Result<Pass, StoreError> {
        let leased_at = MirrorTime::from_timestamp(now);
        let until = MirrorTime::from_timestamp(now + LEASE);
        let dirty = self
            .outbox
            .lease(&self.holder, PASS_ROWS, leased_at, until)
            .await?;
        if dirty.is_empty() {
            return Ok(Pass::default());
        }
        let mut pass = Pass {
            more: dirty.len() == PASS_ROWS as usize,
            ..Pass::default()
        };
        let (mut sent, mut retries) = (Vec::new(), Vec::new());
        let results = self.send(&dirty).await;
        for (dirty, result) in dirty.into_iter().zip(results) {
            let (customer, version) = (dirty.row.queue_customer_id, dirty.row.updated_at);
            match result {
                Ok(()) => sent.push(Sent { customer, version }),
                Err(error) => {
                    pass.error = Some(error);
                    let due_at = MirrorTime::from_timestamp(now + back_off(dirty.attempts));
                    retries.push(Retry {
                        customer,
                        version,
                        due_at,
                    });
                }
            }
        }
        (pass.sent, pass.failed) = (sent.len(), retries.len());
        self.outbox.settle(&self.holder, &sent, &retries).await?;
        Ok(pass)
    }

    /// Sends all at once; rows that the mirror refuses together are sent again by halves, so that a
    /// bad one holds up no other, and few requests find it. A mirror that goes away meanwhile is not
    /// asked for the rest.
    async fn send(&self, dirty: &[Dirty]) -> Vec<Result<(), SinkError>> {
        let rows: Vec<MirrorRow> = dirty.iter().map(|dirty| dirty.row.clone()).collect();
        let mut results = Vec::with_capacity(rows.len());
        let mut lots = vec![rows.as_slice()];
        while let Some(lot) = lots.pop() {
            match self.sink.apply(lot).await {
                Err(SinkError::Refused) if lot.len() > 1 => {
                    let (first, second) = lot.split_at(lot.len() / 2);
                    lots.extend([second, first]);
                }
                Err(gone) if gone != SinkError::Refused => {
                    results.resize(rows.len(), Err(gone));
                    break;
                }
                result => results.resize(results.len() + lot.len(), result),
            }
        }
        results
    }
}

fn back_off(attempts: u32) -> SignedDuration {
    (FIRST_BACK_OFF * 2_i32.pow(attempts.min(10))).min(LONGEST_BACK_OFF)
}
