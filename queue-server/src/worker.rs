//! The mirror worker: takes committed rows to the mirror, at once and for ever.

use std::time::{Duration, Instant};

use billing_core::alert::{Alert, Alerts};
use billing_core::ledger::Ledger;
use billing_core::mirror::{FanOut, MirrorSink, Outbox, Pass, SinkError};
use jiff::{SignedDuration, Timestamp};
use metrics::counter;
use tokio_util::sync::CancellationToken;

use crate::app::Pulse;
use crate::clock;

/// How often it looks by itself: for rows put off, and for those of a process that died.
const POLL: Duration = Duration::from_secs(1);
/// How old the oldest waiting row may be before somebody hears of it.
const LAG_ALERT: SignedDuration = SignedDuration::from_secs(60);

/// Takes rows from the outbox to a mirror until it is stopped.
pub(crate) struct MirrorWorker<O, S> {
    pub(crate) fan_out: FanOut<O, S>,
    pub(crate) ledger: Ledger,
    pub(crate) alerts: Alerts,
    pub(crate) billing_on: bool,
}

impl<O: Outbox, S: MirrorSink> MirrorWorker<O, S> {
    /// Runs until stopped; what was committed before that is sent first, if the mirror takes it.
    pub(crate) async fn run(self, stop: CancellationToken, _pulse: Pulse) {
        let mut failing = false;
        let mut lag_watched: Option<Instant> = None;
        loop {
            let stopping = stop.is_cancelled();
            if self.billing_on {
                self.drain(&mut failing).await;
                if lag_watched.is_none_or(|watched| watched.elapsed() >= POLL) {
                    self.watch_lag().await;
                    lag_watched = Some(Instant::now());
                }
            }
            self.alerts.flush(clock::now());
            if stopping {
                return;
            }
            tokio::select! {
                () = self.ledger.mirror_changed() => {}
                () = tokio::time::sleep(POLL) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn drain(&self, failing: &mut bool) {
        loop {
            let now = clock::now();
            let pass = match self.fan_out.pass(now).await {
                Ok(pass) => pass,
                Err(error) => {
                    tracing::error!(code = error.code(), "the outbox can't be read");
                    self.alerts.raise(Alert::MirrorUnavailable, now);
                    break;
                }
            };
            self.tell(&pass, failing, now);
            if !pass.more || pass.error.is_some() {
                break;
            }
        }
    }

    fn tell(&self, pass: &Pass, failing: &mut bool, now: Timestamp) {
        counter!("billing_mirror_rows_total", "result" => "sent").increment(pass.sent as u64);
        counter!("billing_mirror_rows_total", "result" => "failed").increment(pass.failed as u64);
        match &pass.error {
            Some(error) => {
                *failing = true;
                tracing::warn!(
                    code = error.code(),
                    rows = pass.failed,
                    "rows wait for the mirror"
                );
                self.alerts.raise(
                    match error {
                        SinkError::TableMissing => Alert::MirrorTableMissing,
                        SinkError::Unavailable | SinkError::Refused => Alert::MirrorUnavailable,
                    },
                    now,
                );
            }
            None if *failing && pass.sent > 0 => {
                *failing = false;
                tracing::info!(rows = pass.sent, "the mirror takes rows again");
            }
            None => {}
        }
    }

    async fn watch_lag(&self) {
        let Ok(depth) = self.fan_out.outbox().depth().await else {
            return;
        };
        let now = clock::now();
        if depth
            .oldest
            .is_some_and(|oldest| now.duration_since(oldest.timestamp()) > LAG_ALERT)
        {
            self.alerts.raise(Alert::MirrorLag, now);
        }
    }
}
