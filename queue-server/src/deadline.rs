//! The deadline worker: what changes with time, changes on time, without any event (A6).
//!
//! Any number of servers may run one: whichever comes second finds nothing left to change.

use std::time::Duration;

use billing_core::ledger::{Command, Ledger, Outcome};
use billing_core::store::SqlStore;
use metrics::counter;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::Pulse;
use crate::clock;

/// How often it looks.
const POLL: Duration = Duration::from_secs(1);
/// Customers that are settled at once: they share transactions.
const AT_ONCE: u32 = 128;

/// Settles customers whose deadline has come until it is stopped.
pub(crate) struct DeadlineWorker {
    pub(crate) store: SqlStore,
    pub(crate) ledger: Ledger,
    pub(crate) billing_on: bool,
}

impl DeadlineWorker {
    /// Runs until stopped.
    pub(crate) async fn run(self, stop: CancellationToken, _pulse: Pulse) {
        while !stop.is_cancelled() {
            if self.billing_on {
                while self.settle_due().await {}
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Settles some that are due, and says whether there may be more to settle at once.
    async fn settle_due(&self) -> bool {
        let now = clock::now();
        let due = match self.store.due_customers(now, AT_ONCE).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(code = error.code(), "deadlines can't be read");
                return false;
            }
        };
        let full = due.len() == AT_ONCE as usize;
        let mut settling = JoinSet::new();
        for customer in due {
            let ledger = self.ledger.clone();
            settling.spawn(async move { ledger.commit(Command::Settle(customer), now).await });
        }
        let mut all_changed = true;
        for result in settling.join_all().await {
            all_changed &= result == Ok(Outcome::Applied);
            match result {
                Ok(outcome) => {
                    counter!("billing_deadlines_total", "outcome" => outcome.as_str()).increment(1);
                }
                Err(error) => tracing::error!(code = error.code(), "a deadline was not committed"),
            }
        }
        // Where something would not change, asking again at once would go on for ever.
        full && all_changed
    }
}
