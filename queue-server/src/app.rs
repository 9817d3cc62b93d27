//! What request handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use billing_core::alert::Alerts;
use billing_core::ledger::Ledger;
use billing_core::signature::SigningKeys;
use billing_core::store::SqlStore;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;

use crate::http::InternalTokens;

/// The application.
pub(crate) struct App {
    pub(crate) ledger: Ledger,
    pub(crate) store: SqlStore,
    pub(crate) signing_keys: SigningKeys,
    pub(crate) internal_tokens: InternalTokens,
    pub(crate) alerts: Alerts,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) billing_on: bool,
    pub(crate) mirror_worker: Arc<Alive>,
    pub(crate) deadline_worker: Arc<Alive>,
    /// One for each delivery that may be read at once: what bounds the memory that bodies take.
    pub(crate) deliveries: Semaphore,
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
