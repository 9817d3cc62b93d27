//! Where the ledger runs.
//!
//! All who wait for a commit wait for each answer that the database gives the ledger. On the server's runtime such an
//! answer would be seen only after the requests that wait there; on a thread of its own, it is seen at once. So is what
//! the worker of the mirror is told while it holds SQLite's only lock: it runs there too. PostgreSQL's connections belong
//! to a runtime, so the ledger has its own ones.

use std::io;

use anyhow::Context;
use billing_core::alert::Alerts;
use billing_core::audit::AuditKey;
use billing_core::ledger::{Capacity, Ledger};
use billing_core::policy::Policy;
use billing_core::store::SqlStore;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
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
    /// Where the worker of the mirror is to run. (A mirror in PostgreSQL beside Queue's SQLite is then used from two runtimes;
    /// this one outlives it.)
    pub(super) beside: Handle,
    /// The thread, where there is one, goes on until this is dropped.
    pub(super) thread: Option<oneshot::Sender<()>>,
}

/// Starts the ledger where it is to run.
pub(super) async fn start(
    store: SqlStore,
    policy: Policy,
    audit_key: AuditKey,
    alerts: Alerts,
) -> anyhow::Result<Lane> {
    let (apart, thread) = runtime_apart()
        .await
        .context("the ledger's thread can't be started")?;
    let (server, thread) = (Handle::current(), Some(thread));
    let (runs_on, beside, store, thread) = if store.writers_take_turns() {
        (apart.clone(), apart, store, thread)
    } else {
        let connections = {
            let _inside = apart.enter();
            store.apart()
        };
        match connections {
            Some(connections) => (apart, server, connections, thread),
            None => (server.clone(), server, store, None),
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
        beside,
        thread,
    })
}

/// A runtime on a thread of its own, and what to drop for it to end. It is made there: were there no thread for it, it
/// could not be dropped here, where another one runs.
async fn runtime_apart() -> anyhow::Result<(Handle, oneshot::Sender<()>)> {
    let (made, handle) = oneshot::channel::<io::Result<Handle>>();
    let (thread, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name(THREAD_NAME.to_owned())
        .spawn(
            move || match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => {
                    let _ = made.send(Ok(runtime.handle().clone()));
                    let _ = runtime.block_on(ended);
                }
                Err(error) => drop(made.send(Err(error))),
            },
        )?;
    Ok((handle.await??, thread))
}
