//! What request handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use billing_core::alert::Alerts;
use billing_core::claim::Claim;
use billing_core::id::CustomerId;
use billing_core::ledger::{Command, Ledger, LedgerError, Outcome};
use billing_core::policy::Policy;
use billing_core::signature::SigningKeys;
use billing_core::store::{Records, SqlStore};
use jiff::Timestamp;
use metrics::counter;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{Notify, Semaphore};

use crate::http::{CustomerTokens, InternalTokens, Problem};
use crate::mirror::Mirror;
use crate::money::Money;

/// How long a caller waits for its commit. What is committed later is a duplicate when sent again.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(8);

/// The application.
pub(crate) struct App {
    pub(crate) ledger: Ledger,
    pub(crate) store: SqlStore,
    pub(crate) signing_keys: SigningKeys,
    pub(crate) internal_tokens: InternalTokens,
    pub(crate) customer_tokens: CustomerTokens,
    pub(crate) policy: Policy,
    /// Unset where Stripe is not to be called.
    pub(crate) money: Option<Money>,
    pub(crate) alerts: Alerts,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) billing_on: bool,
    pub(crate) mirror_worker: Arc<Alive>,
    pub(crate) deadline_worker: Arc<Alive>,
    pub(crate) refresh_worker: Arc<Alive>,
    pub(crate) reconcile_worker: Arc<Alive>,
    /// Wakes the reconcile worker before its time.
    pub(crate) reconcile_asked: Notify,
    pub(crate) mirror: Mirror,
    pub(crate) comparison_worker: Arc<Alive>,
    /// Wakes the comparison worker before its time.
    pub(crate) sync_asked: Notify,
    /// One for each delivery that may be read at once: what bounds the memory that bodies take.
    pub(crate) deliveries: Semaphore,
}

impl App {
    /// Commits, and waits for it as long as a caller should.
    pub(crate) async fn commit(
        &self,
        command: Command,
        now: Timestamp,
    ) -> Result<Outcome, Problem> {
        let commit = tokio::time::timeout(COMMIT_TIMEOUT, self.ledger.commit(command, now));
        let result = match commit.await {
            Ok(result) => result.map_err(Problem::NotCommitted),
            Err(_) => Err(Problem::CommitTimeout),
        };
        result.inspect_err(|problem| {
            counter!("billing_ledger_failures_total", "code" => problem.code()).increment(1);
            tracing::warn!(code = problem.code(), "a command was not committed");
        })
    }

    /// What is stored of a customer.
    pub(crate) async fn records_of(&self, customer: &CustomerId) -> Result<Records, Problem> {
        let records = self.store.records_of(customer).await;
        records.map_err(|error| Problem::NotCommitted(LedgerError::Store(error)))
    }

    /// The claim of a customer.
    pub(crate) async fn claim_of(&self, customer: &CustomerId) -> Result<Option<Claim>, Problem> {
        let claim = self.store.claim_of(customer).await;
        claim.map_err(|error| Problem::NotCommitted(LedgerError::Store(error)))
    }
}

/// Whether a worker still runs.
#[derive(Debug)]
pub(crate) struct Alive(AtomicBool);

/// Held by a worker; says that it has gone when dropped, also by a panic.
pub(crate) struct Pulse(Arc<Alive>);

impl Alive {
    pub(crate) fn pulse() -> (Arc<Self>, Pulse) {
        let alive = Arc::new(Self(AtomicBool::new(true)));
        (Arc::clone(&alive), Pulse(alive))
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Relaxed);
    }
}
