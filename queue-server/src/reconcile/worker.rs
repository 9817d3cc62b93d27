//! When a reconcile runs: on a schedule, when asked, or as a command.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use billing_core::alert::{Alert, Alerts};
use billing_core::ledger::{Capacity, Ledger};
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use super::{Progress, ReconcileError, Reconciler, Report};
use crate::app::{App, Pulse};
use crate::clock;
use crate::config::ServeConfig;
use crate::serve::{holder, open};
use crate::stripe::Stripe;

/// How often it looks whether one is due.
const POLL: Duration = Duration::from_secs(60);

/// Reconciles on a schedule, until it is stopped.
pub(crate) struct ReconcileWorker {
    pub(crate) app: Arc<App>,
    /// How long after one ended the next begins; `None`: only when asked.
    pub(crate) every: Option<SignedDuration>,
}

impl ReconcileWorker {
    /// Runs until stopped; what it is at then goes on where it was, here or elsewhere.
    pub(crate) async fn run(self, stop: CancellationToken, _pulse: Pulse) {
        let work = async {
            loop {
                let asked = tokio::select! {
                    () = self.app.reconcile_asked.notified() => true,
                    () = tokio::time::sleep(POLL) => false,
                };
                if self.app.billing_on && (asked || self.is_due().await) {
                    self.reconcile().await;
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }

    async fn is_due(&self) -> bool {
        let Ok(run) = self.app.store.reconcile_run().await else {
            return false;
        };
        let progress: Progress = serde_json::from_str(&run.progress).unwrap_or_default();
        // What was begun is ended, also where none begins by itself.
        progress.is_under_way()
            || self.every.is_some_and(|every| {
                let ended_at = run.ended_at.map(|ended_at| ended_at.timestamp());
                ended_at.is_none_or(|ended_at| clock::now().duration_since(ended_at) >= every)
            })
    }

    async fn reconcile(&self) {
        let Some(money) = &self.app.money else {
            return;
        };
        let reconciler = Reconciler {
            store: self.app.store.clone(),
            ledger: self.app.ledger.clone(),
            stripe: money.stripe.clone(),
            holder: holder(),
        };
        tracing::info!("reconciling with Stripe");
        match reconciler.run(|_| {}).await {
            Ok(report) => tell(&report),
            Err(ReconcileError::Busy) => {}
            Err(error) => {
                self.app.alerts.raise(Alert::ReconcileStopped, clock::now());
                tracing::warn!(
                    code = error.code(),
                    "reconciling stopped, and goes on from there"
                );
            }
        }
    }
}

fn tell(report: &Report) {
    tracing::info!(
        subscriptions = report.subscriptions,
        imported = report.imported,
        repaired = report.repaired,
        events = report.events,
        events_applied = report.events_applied,
        "reconciled with Stripe"
    );
}

/// `queue-server reconcile`.
pub(crate) async fn run_once(config: ServeConfig) -> anyhow::Result<()> {
    anyhow::ensure!(
        config.billing_on,
        "billing is off: set FLAG_QUEUE_BILLING=true"
    );
    let stripe = config.stripe.context("STRIPE_RESTRICTED_KEY is not set")?;
    let store = open(&config.database).await?;
    store.migrate().await?;
    let (ledger, task) = Ledger::start(
        store.clone(),
        config.policy,
        config.audit_key,
        Alerts::default(),
        (),
        Capacity::default(),
    )
    .await
    .context("the ledger does not start; check BILLING_AUDIT_KEY and DATABASE_URL")?;
    let reconciler = Reconciler {
        store: store.clone(),
        ledger,
        stripe: Stripe::new(stripe)?,
        holder: holder(),
    };
    let progress = |report: &Report| {
        eprintln!(
            "{} subscriptions ({} imported, {} repaired), {} open invoices, {} events ({} applied)",
            report.subscriptions,
            report.imported,
            report.repaired,
            report.invoices,
            report.events,
            report.events_applied
        );
    };
    let run = reconciler.run(progress).await;
    drop(reconciler);
    task.await?;
    store.close().await;
    println!("{}", serde_json::to_string_pretty(&run?)?);
    Ok(())
}
