//! The task that owns the write lane.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::join;
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};

use super::books::{Books, Notice};
use super::{Command, Job, LedgerError, Observer, Outcome};
use crate::alert::{Alert, Alerts};
use crate::audit::AuditKey;
use crate::policy::Policy;
use crate::store::{Store, Transaction};

pub(super) struct Task<S, O> {
    pub(super) store: S,
    pub(super) policy: Policy,
    pub(super) audit_key: AuditKey,
    pub(super) alerts: Alerts,
    pub(super) observer: O,
    pub(super) mirror_changed: Arc<Notify>,
    pub(super) batch: usize,
}

type Results = Result<Vec<Outcome>, LedgerError>;

impl<S: Store, O: Observer> Task<S, O> {
    pub(super) async fn run(self, mut waiting: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(self.batch);
        while waiting.recv_many(&mut jobs, self.batch).await > 0 {
            // Whoever gave up waiting will send again: what was not begun need not be.
            jobs.retain(|job| !job.reply.is_closed());
            self.take_batch(&mut jobs).await;
        }
    }

    async fn take_batch(&self, jobs: &mut Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let work: Vec<(&Command, Timestamp)> =
            jobs.iter().map(|job| (&job.command, job.now)).collect();
        let results = match self.commit(&work).await {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            Err(error) if error.is_transient() => vec![Err(error); work.len()],
            Err(error) => self.one_by_one(&work, error).await,
        };
        for (job, result) in jobs.drain(..).zip(results) {
            let _ = job.reply.send(result);
        }
    }

    /// A command that the store refuses, or that panics, must not take its batch-mates with it.
    async fn one_by_one(
        &self,
        work: &[(&Command, Timestamp)],
        together: LedgerError,
    ) -> Vec<Result<Outcome, LedgerError>> {
        let mut results: Vec<Result<Outcome, LedgerError>> = Vec::with_capacity(work.len());
        for item in work {
            let alone = match results.last() {
                // The store went away meanwhile: the others need not wait for that to be told again.
                Some(Err(error)) if error.is_transient() => Err(*error),
                _ if work.len() == 1 => Err(together),
                _ => self.commit(&[*item]).await,
            };
            if let Err(error) = alone
                && !error.is_transient()
            {
                tracing::error!(code = error.code(), "a command failed by itself");
                self.alerts.raise(Alert::CommandFailed, item.1);
            }
            results.push(
                alone.and_then(|outcomes| outcomes.first().copied().ok_or(LedgerError::Panicked)),
            );
        }
        results
    }

    async fn commit(&self, work: &[(&Command, Timestamp)]) -> Results {
        self.observer.batch_begins(work.len());
        let result = AssertUnwindSafe(self.transact(work)).catch_unwind().await;
        let result = result.unwrap_or(Err(LedgerError::Panicked));
        self.observer
            .batch_ends(result.as_ref().map(drop).map_err(|error| *error));
        result
    }

    async fn transact(&self, work: &[(&Command, Timestamp)]) -> Results {
        // Of two, the first is polled first: the store is at work already when the other begins.
        let open = async { Books::new(&self.policy, work) };
        let (transaction, mut books) = join(self.store.begin(), open).await;
        let mut transaction = transaction?;
        let head = transaction.head().clone();
        if !self.audit_key.continues(&head) {
            return Err(LedgerError::OtherAuditKey);
        }
        let claimed = transaction.claim(&books.events()).await?;
        books.take_claimed(claimed);
        let loaded = transaction.load(&books.wanted()).await?;
        books.take_records(loaded);
        let outcomes = books.take_all();
        let (writes, drafts, notices) = books.close();
        let seal = async { head.append_all(drafts, &self.audit_key) };
        let (saved, addition) = join(transaction.save(&writes), seal).await;
        saved?;
        if let Some(addition) = addition {
            transaction.append(&addition).await?;
        }
        transaction.commit().await?;
        if !writes.dirty.is_empty() {
            self.mirror_changed.notify_one();
        }
        self.tell(notices);
        Ok(outcomes)
    }

    /// Alerts of what was committed, and of nothing that was rolled back.
    fn tell(&self, notices: Vec<Notice>) {
        for Notice {
            alert,
            subject,
            now,
        } in notices
        {
            tracing::warn!(alert = alert.name(), subject, "noticed at commit");
            self.alerts.raise(alert, now);
        }
    }
}
