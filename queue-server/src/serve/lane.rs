//! Where the ledger runs.
//!
//! All who wait for a commit wait for each answer that PostgreSQL gives the ledger. On the server's runtime such an
//! answer would be seen only after the requests that wait there; on a thread and connections of its own, it is seen at
//! once. SQLite answers from threads of its own, and its ledger stays on the server's runtime.

use std::future::pending;

use anyhow::Context;
use billing_core::alert::Alerts;
use billing_core::audit::AuditKey;
use billing_core::ledger::{Capacity, Ledger};
use billing_core::policy::Policy;
use billing_core::store::SqlStore;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;

use crate::telemetry::BatchMetrics;

/// What the thread is called; Linux shows no more than 15 bytes.
const THREAD_NAME: &str = "billing-ledger";

/// A ledger that runs.
pub(super) struct Lane {
    pub(super) ledger: Ledger,
    /// Ends when the last handle is gone and its commands are done.
    pub(super) task: JoinHandle<()>,
    /// Whose connections it writes over.
    pub(super) store: SqlStore,
}

/// Starts the ledger where it is to run.
pub(super) async fn start(
    store: SqlStore,
    policy: Policy,
    audit_key: AuditKey,
    alerts: Alerts,
) -> anyhow::Result<Lane> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let apart = {
        let _inside = runtime.enter();
        store.apart()
    };
    let (runs_on, store) = match apart {
        Some(apart) => {
            let handle = runtime.handle().clone();
            std::thread::Builder::new()
                .name(THREAD_NAME.to_owned())
                .spawn(move || runtime.block_on(pending::<()>()))?;
            (handle, apart)
        }
        None => {
            runtime.shutdown_background();
            (Handle::current(), store)
        }
    };
    let writes_to = store.clone();
    #[cfg(feature = "failpoints")]
    let writes_to = crate::failpoint::Failing(writes_to);
    let (observer, capacity) = (BatchMetrics::default(), Capacity::default());
    let started = Ledger::start(writes_to, policy, audit_key, alerts, observer, capacity);
    let (ledger, task) = runs_on
        .spawn(started)
        .await?
        .context("the ledger does not start; check BILLING_AUDIT_KEY and DATABASE_URL")?;
    Ok(Lane {
        ledger,
        task,
        store,
    })
}
