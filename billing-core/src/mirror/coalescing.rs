//! Many reads at once as few queries on few connections.
//!
//! While one query runs, requests gather; the next query asks for all of them. A read that comes
//! alone waits for nothing. Nothing is kept: every answer is read after it was asked for.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

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
        let (reader, waiting) = (Arc::new(reader), Arc::new(Mutex::new(waiting)));
        for _ in 0..queries_at_once.max(1) {
            tokio::spawn(lane(Arc::clone(&reader), Arc::clone(&waiting)));
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

async fn lane(reader: Arc<impl BatchReader>, waiting: Arc<Mutex<mpsc::Receiver<Request>>>) {
    let mut requests: Vec<Request> = Vec::new();
    loop {
        let gathered = waiting.lock().await.recv_many(&mut requests, BATCH).await;
        if gathered == 0 {
            return;
        }
        // Nobody waits any more for what timed out.
        requests.retain(|(_, sender)| !sender.is_closed());
        let mut customers: Vec<CustomerId> = requests.iter().map(|(id, _)| id.clone()).collect();
        customers.sort();
        customers.dedup();
        let rows = match AssertUnwindSafe(reader.read_many(&customers))
            .catch_unwind()
            .await
        {
            Ok(rows) => rows,
            Err(_panic) => Err(MirrorError::Panicked),
        };
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
