//! The refresh worker: what is in doubt is looked at again through Stripe's API, until it no longer is (O4).
//!
//! Any number of servers may run one: an object that one of them takes is put off for the others. No call to Stripe is
//! made inside a transaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use billing_core::alert::Alert;
use billing_core::ledger::Command;
use billing_core::store::RefreshRow;
use jiff::SignedDuration;
use metrics::counter;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Pulse};
use crate::http::Problem;
use crate::{clock, look};

/// How often it looks for what is due.
const POLL: Duration = Duration::from_secs(1);
/// Objects that are looked at at once.
const AT_ONCE: u32 = 8;
/// How long an object may be marked before somebody hears of it.
const STUCK_AFTER: SignedDuration = SignedDuration::from_mins(30);
/// How often that is looked for.
const WATCH: Duration = Duration::from_secs(60);

/// Looks at what is in doubt until it is stopped.
pub(crate) struct RefreshWorker {
    pub(crate) app: Arc<App>,
}

impl RefreshWorker {
    /// Runs until stopped. What it is at then is done by whoever takes it next.
    pub(crate) async fn run(self, stop: CancellationToken, _pulse: Pulse) {
        let work = async {
            let mut watched: Option<Instant> = None;
            loop {
                if self.app.billing_on {
                    if self.app.money.is_some() {
                        while self.refresh_due().await {}
                    }
                    if watched.is_none_or(|watched| watched.elapsed() >= WATCH) {
                        self.watch().await;
                        watched = Some(Instant::now());
                    }
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }

    /// Looks at some that are due, and says whether there may be more to look at at once.
    async fn refresh_due(&self) -> bool {
        let due = match self.app.store.take_refreshes(clock::now(), AT_ONCE).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(code = error.code(), "the refresh queue can't be read");
                return false;
            }
        };
        let full = due.len() == AT_ONCE as usize;
        let mut looking = JoinSet::new();
        for mark in due {
            looking.spawn(refresh(Arc::clone(&self.app), mark));
        }
        let mut all_done = true;
        while let Some(done) = looking.join_next().await {
            // One that panics is tried again like one that Stripe does not answer.
            all_done &= done.unwrap_or(false);
        }
        // Where Stripe does not answer, the rest can wait as well.
        full && all_done
    }

    /// Tells of what has been in doubt for long, also where Stripe is not to be called.
    async fn watch(&self) {
        let Ok(depth) = self.app.store.refresh_depth().await else {
            return;
        };
        let now = clock::now();
        let age = depth
            .oldest
            .map(|oldest| now.duration_since(oldest.timestamp()));
        if age.is_some_and(|age| age >= STUCK_AFTER) {
            self.app.alerts.raise(Alert::RefreshStuck, now);
        }
    }
}

/// Looks at one object, and says whether that could be done.
async fn refresh(app: Arc<App>, mark: RefreshRow) -> bool {
    let object_id = mark.object_id.clone();
    let done = look_and_commit(&app, mark).await;
    let result = if done.is_ok() { "taken" } else { "failed" };
    counter!("billing_refreshes_total", "result" => result).increment(1);
    if let Err(problem) = &done {
        tracing::warn!(%object_id, code = problem.code(), "an object in doubt could not be looked at");
    }
    done.is_ok()
}

async fn look_and_commit(app: &App, mark: RefreshRow) -> Result<(), Problem> {
    let money = app.money.as_ref().ok_or(Problem::StripeNotConfigured)?;
    let looking = look::at_object(&money.stripe, &app.store, &mark.object_id);
    let command = Command::Refresh {
        snapshots: money.ask(looking).await?,
        mark: Some(mark),
    };
    app.commit(command, clock::now()).await.map(drop)
}
