//! What Stripe shows goes through the ledger, like any event (O4, B5).

use std::time::Duration;

use billing_core::event::{Snapshot, SubscriptionStatus};
use billing_core::id::SubscriptionId;
use billing_core::ledger::Command;

use super::Desk;
use crate::clock;
use crate::http::Problem;
use crate::stripe::{Answer, StripeError, StripeSubscription};

/// How long a customer who comes back waits at most for an answer that can't be overtaken.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

impl Answer<StripeSubscription> {
    /// What it shows of the subscription and of its latest invoice, the invoice first. Nothing where it lives on a
    /// test clock: then it lives in another time than the answer's date, and has no place among its events.
    pub(crate) fn snapshots(&self) -> Result<Vec<Snapshot>, StripeError> {
        if self.object.test_clock.is_some() {
            return Ok(Vec::new());
        }
        let snapshot = self.snapshot().map_err(|_| StripeError::Unreadable)?;
        let latest = self.latest_invoice(self.object.owes());
        Ok(latest.into_iter().chain([snapshot]).collect())
    }
}

impl StripeSubscription {
    /// Whether an invoice of it that is open has failed.
    pub(crate) fn owes(&self) -> bool {
        matches!(
            self.status,
            SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid
        )
    }
}

impl Desk {
    /// Commits what Stripe answered of a subscription, and of its latest invoice.
    pub(super) async fn take(&self, answer: &Answer<StripeSubscription>) -> Result<(), Problem> {
        let snapshots = answer.snapshots().map_err(Problem::Stripe)?;
        if snapshots.is_empty() {
            return Ok(());
        }
        let command = Command::refresh(snapshots);
        self.app.commit(command, clock::now()).await.map(drop)
    }

    /// An answer as it is now: one that was given before under the same key tells what was then.
    pub(super) async fn fresh(
        &self,
        answer: Answer<StripeSubscription>,
    ) -> Result<Answer<StripeSubscription>, Problem> {
        if answer.is_replayed() {
            return Ok(self.stripe()?.subscription(&answer.object.id).await?);
        }
        Ok(answer)
    }

    /// Reads a subscription and commits what it shows.
    pub(super) async fn refresh(
        &self,
        id: &SubscriptionId,
    ) -> Result<Answer<StripeSubscription>, Problem> {
        let answer = self.stripe()?.subscription(id).await?;
        self.take(&answer).await?;
        Ok(answer)
    }

    /// The same of one that was made just now: read late enough that its own creation, whose event may still come,
    /// does not look newer and close again what is open (O2).
    pub(super) async fn refresh_young(
        &self,
        id: &SubscriptionId,
    ) -> Result<Answer<StripeSubscription>, Problem> {
        let stripe = self.stripe()?;
        let mut answer = stripe.subscription(id).await?;
        let behind = answer.true_at().map_or(0, |true_at| {
            answer.object.created.seconds() - true_at.seconds()
        });
        if let Ok(seconds) = u64::try_from(behind) {
            let wait = Duration::from_secs(seconds + 1);
            tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
            answer = stripe.subscription(id).await?;
        }
        self.take(&answer).await?;
        Ok(answer)
    }
}
