//! Running the server: start, serve, stop.

mod connections;
mod lane;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use billing_core::alert::Alerts;
use billing_core::mirror::FanOut;
use billing_core::store::SqlStore;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::app::{Alive, App};
use crate::clock;
use crate::config::{ConnectionBounds, DatabaseConfig, MirrorConfig, ServeConfig};
use crate::deadline::DeadlineWorker;
use crate::http;
use crate::mirror::Mirror;
use crate::mirror::comparison::ComparisonWorker;
use crate::money::Money;
use crate::reconcile::ReconcileWorker;
use crate::refresh::RefreshWorker;
use crate::stripe::Stripe;
use crate::telemetry;
use crate::worker::MirrorWorker;
use lane::Lane;

/// Deliveries that are read at once, each of at most 1 MiB.
const MAX_DELIVERIES: usize = 256;
/// How long requests in flight may take after the signal to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// How long what they left behind may take then.
const SETTLE: Duration = Duration::from_secs(5);

pub(crate) async fn open(config: &DatabaseConfig) -> anyhow::Result<SqlStore> {
    SqlStore::open_at_most(&config.url, config.max_connections)
        .await
        .context("DATABASE_URL can't be opened: check the path and its rights")
}

/// Brings Queue's database up to date and verifies it.
pub(crate) async fn migrate(config: &DatabaseConfig) -> anyhow::Result<()> {
    let store = open(config).await?;
    store.migrate().await?;
    if matches!(config.mirror, MirrorConfig::Own) {
        store.mirror().await?;
    }
    store.close().await;
    println!("the database is up to date and verified");
    Ok(())
}

/// Serves until SIGTERM or ctrl-c.
pub(crate) async fn serve(config: ServeConfig) -> anyhow::Result<()> {
    // Before anything is started that a signal should stop in good order.
    let stop_signal = StopSignal::catch()?;
    let metrics = telemetry::start_metrics()?;
    let store = open(&config.database).await?;
    store.migrate().await?;
    let mirror = Mirror::open(&config.database, &store).await?;
    let alerts = Alerts::default();
    let policy = config.policy.clone();
    let Lane {
        ledger,
        task: ledger_task,
        store: ledger_store,
        beside: beside_the_ledger,
        thread: ledger_thread,
    } = lane::start(
        store.clone(),
        config.policy,
        config.audit_key,
        alerts.clone(),
    )
    .await?;

    let (deadline_worker, deadline_pulse) = Alive::pulse();
    let deadlines = DeadlineWorker {
        store: store.clone(),
        ledger: ledger.clone(),
        billing_on: config.billing_on,
    };
    let (refresh_worker, refresh_pulse) = Alive::pulse();
    let (reconcile_worker, reconcile_pulse) = Alive::pulse();
    let (comparison_worker, comparison_pulse) = Alive::pulse();
    let (mirror_worker, mirror_pulse) = Alive::pulse();
    let worker = MirrorWorker {
        fan_out: FanOut::new(store.clone(), mirror.clone(), holder()),
        ledger: ledger.clone(),
        alerts: alerts.clone(),
        billing_on: config.billing_on,
    };
    let money = match config.stripe {
        Some(stripe) => Some(Money::new(Stripe::new(stripe)?, config.money, config.plans)),
        None => {
            tracing::warn!(
                "STRIPE_RESTRICTED_KEY is not set: nobody can subscribe through this server"
            );
            None
        }
    };
    let app = Arc::new(App {
        ledger,
        store: store.clone(),
        signing_keys: config.signing_keys,
        internal_tokens: config.internal_tokens,
        customer_tokens: config.customer_tokens,
        policy,
        money,
        alerts: alerts.clone(),
        metrics: metrics.clone(),
        billing_on: config.billing_on,
        mirror_worker,
        deadline_worker,
        refresh_worker,
        reconcile_worker,
        reconcile_asked: Notify::new(),
        mirror: mirror.clone(),
        comparison_worker,
        sync_asked: Notify::new(),
        deliveries: Semaphore::new(MAX_DELIVERIES),
    });
    let address = SocketAddr::new(config.host, config.port);
    let listener = connections::listen(address)
        .with_context(|| format!("can't listen on {address}: check HOST and PORT"))?;
    let address = listener.local_addr()?;
    if !config.billing_on {
        tracing::warn!("billing is off: /api/v1/billing answers 503 until FLAG_QUEUE_BILLING=true");
    }
    tracing::info!(%address, "listening");
    println!("listening on http://{address}");

    let stop_workers = CancellationToken::new();
    let deadline_task = tokio::spawn(deadlines.run(stop_workers.clone(), deadline_pulse));
    let refreshes = RefreshWorker {
        app: Arc::clone(&app),
    };
    let refresh_task = tokio::spawn(refreshes.run(stop_workers.clone(), refresh_pulse));
    let reconciles = ReconcileWorker {
        app: Arc::clone(&app),
        every: config.reconcile_every,
    };
    let reconcile_task = tokio::spawn(reconciles.run(stop_workers.clone(), reconcile_pulse));
    let comparisons = ComparisonWorker {
        app: Arc::clone(&app),
        every: config.compare_every,
    };
    let comparison_task = tokio::spawn(comparisons.run(stop_workers.clone(), comparison_pulse));
    let stop_mirror = CancellationToken::new();
    let mirror_task = beside_the_ledger.spawn(worker.run(stop_mirror.clone(), mirror_pulse));
    let upkeep = tokio::spawn(telemetry::keep_up(metrics));
    serve_http(listener, app, config.connections, stop_signal).await?;
    upkeep.abort();
    // Whoever was answered has been committed. The worker sends what it can of that, and then
    // the last handle of the ledger is gone.
    stop_workers.cancel();
    deadline_task.await.context("the deadline worker failed")?;
    refresh_task.await.context("the refresh worker failed")?;
    reconcile_task
        .await
        .context("the reconcile worker failed")?;
    comparison_task
        .await
        .context("the comparison of the mirror failed")?;
    stop_mirror.cancel();
    mirror_task.await.context("the mirror worker failed")?;
    // A client that did not finish in time may still hold a handle.
    if let Ok(result) = tokio::time::timeout(SETTLE, ledger_task).await {
        result.context("the ledger failed")?;
    }
    alerts.flush(Timestamp::MAX);
    mirror.close().await;
    ledger_store.close().await;
    store.close().await;
    drop(ledger_thread);
    tracing::info!("stopped");
    Ok(())
}

async fn serve_http(
    listener: TcpListener,
    app: Arc<App>,
    bounds: ConnectionBounds,
    mut stop_signal: StopSignal,
) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let server = connections::serve(listener, http::router(app), bounds, stop.clone());
    let mut server = tokio::spawn(server);
    tokio::select! {
        result = stop_signal.received() => result?,
        result = &mut server => return result.context("the HTTP server failed"),
    }
    tracing::info!("stopping: no new requests are taken");
    stop.cancel();
    match tokio::time::timeout(DRAIN, &mut server).await {
        Ok(result) => result.context("the HTTP server failed"),
        Err(_) => {
            tracing::warn!("some clients did not finish in time");
            server.abort();
            Ok(())
        }
    }
}

/// SIGTERM and ctrl-c, caught from the moment that this is made.
struct StopSignal {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl StopSignal {
    fn catch() -> anyhow::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?,
        })
    }

    async fn received(&mut self) -> anyhow::Result<()> {
        #[cfg(unix)]
        tokio::select! {
            result = tokio::signal::ctrl_c() => result?,
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        tokio::signal::ctrl_c().await?;
        Ok(())
    }
}

/// A name that no other worker has, of this process or another.
pub(crate) fn holder() -> String {
    format!("{}-{}", std::process::id(), clock::now().as_nanosecond())
}
