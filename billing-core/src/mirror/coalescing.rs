//! Many reads at once as few queries on few connections.
//!
//! While queries run, requests gather; the next query asks for all of them, or for its share where others are free to
//! run beside it. A read that comes alone waits for nothing. Nothing is kept: every answer is read after it was asked for.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::{MirrorError, MirrorReader, MirrorRow, UnverifiedRow};
use crate::id::CustomerId;

/// Reads that may wait; more are refused, as a mirror that is too slow would be.
const WAITING: usize = 8192;
/// Customers that one query asks for.
const BATCH: usize = 512;

/// Reads the rows of several customers with one query.
pub trait BatchReader: Send + Sync + 'static {
    /// The rows that there are, in any order.
    fn read_many(
        &self,
        customers: &[CustomerId],
    ) -> impl Future<Output = Result<Vec<UnverifiedRow>, MirrorError>> + Send;
}

type Answer = Result<Option<MirrorRow>, MirrorError>;
type Request = (CustomerId, oneshot::Sender<Answer>);

/// What the lanes share, each of which runs one query at a time.
struct Lanes<R> {
    reader: R,
    waiting: Mutex<mpsc::Receiver<Request>>,
    /// How many have no query to run.
    idle: AtomicUsize,
}

/// A reader that gathers reads. Clones share their queries.
#[derive(Clone, Debug)]
pub struct Coalescing {
    requests: mpsc::Sender<Request>,
}

impl Coalescing {
    /// Gathers reads for a reader, with at most so many queries at once. They end when the last
    /// clone is gone.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn new(reader: impl BatchReader, queries_at_once: usize) -> Self {
        let (requests, waiting) = mpsc::channel(WAITING);
        let count = queries_at_once.max(1);
        let lanes = Arc::new(Lanes {
            reader,
            waiting: Mutex::new(waiting),
            idle: AtomicUsize::new(count),
        });
        for _ in 0..count {
            tokio::spawn(lane(Arc::clone(&lanes)));
        }
        Self { requests }
    }
}

impl MirrorReader for Coalescing {
    async fn read(&self, customer: &CustomerId) -> Answer {
        let (sender, answer) = oneshot::channel();
        let request = (customer.clone(), sender);
        self.requests
            .try_send(request)
            .map_err(|_| MirrorError::Unavailable)?;
        answer.await.unwrap_or(Err(MirrorError::Unavailable))
    }
}

impl<R> Lanes<R> {
    /// Moves what one query is to ask for into an empty list: of all that waits, the share of one of the lanes that are
    /// idle, this one among them. Whether there will ever be more.
    async fn gather(&self, requests: &mut Vec<Request>) -> bool {
        let mut waiting = self.waiting.lock().await;
        let Some(first) = waiting.recv().await else {
            return false;
        };
        let idle = self.idle.fetch_sub(1, Ordering::Relaxed);
        let share = (waiting.len() + 1).div_ceil(idle).min(BATCH);
        requests.push(first);
        while requests.len() < share
            && let Ok(request) = waiting.try_recv()
        {
            requests.push(request);
        }
        true
    }
}

async fn lane<R: BatchReader>(lanes: Arc<Lanes<R>>) {
    let mut requests: Vec<Request> = Vec::new();
    while lanes.gather(&mut requests).await {
        // Nobody waits any more for what timed out.
        requests.retain(|(_, sender)| !sender.is_closed());
        let mut customers: Vec<CustomerId> = requests.iter().map(|(id, _)| id.clone()).collect();
        customers.sort();
        customers.dedup();
        let rows = match AssertUnwindSafe(lanes.reader.read_many(&customers))
            .catch_unwind()
            .await
        {
            Ok(rows) => rows,
            Err(_panic) => Err(MirrorError::Panicked),
        };
        lanes.idle.fetch_add(1, Ordering::Relaxed);
        let answers = rows.map(by_customer);
        for (customer, sender) in requests.drain(..) {
            let answer = match &answers {
                Ok(rows) => rows.get(customer.as_str()).cloned().transpose(),
                Err(error) => Err(*error),
            };
            let _ = sender.send(answer);
        }
    }
}

/// Each row by its own customer's id: whatever a query answers, nobody gets another's row.
fn by_customer(rows: Vec<UnverifiedRow>) -> HashMap<String, Result<MirrorRow, MirrorError>> {
    let rows = rows.into_iter().map(|row| {
        let customer = row.queue_customer_id.clone();
        (
            customer,
            MirrorRow::try_from(row).map_err(MirrorError::from),
        )
    });
    rows.collect()
}
