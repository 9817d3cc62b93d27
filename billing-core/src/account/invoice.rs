//! An invoice's record: facts that only grow (O6).

use serde::{Deserialize, Serialize};

use crate::event::{InvoiceFacts, InvoiceStatus};
use crate::id::SubscriptionId;
use crate::time::StripeTime;

/// What is kept of one invoice. Every field is a maximum or minimum over the events seen, so that
/// their order leaves no trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invoice {
    /// The subscription that it bills. An invoice of none never counts for access.
    pub stripe_subscription_id: Option<SubscriptionId>,
    /// The furthest status seen: draft < open < uncollectible < void < paid.
    pub status: InvoiceStatus,
    /// When Stripe made it.
    pub created: StripeTime,
    /// When it became final.
    pub finalized_at: Option<StripeTime>,
    /// When it was paid.
    pub paid_at: Option<StripeTime>,
    /// Why it was made.
    pub billing_reason: Option<String>,
    /// The earliest failed payment seen.
    pub first_failed_at: Option<StripeTime>,
    /// The latest failed payment seen.
    pub last_failed_at: Option<StripeTime>,
    /// The least `attempt_count` of a failed payment seen.
    pub first_failed_attempt: Option<u32>,
    /// The greatest `attempt_count` of a failed payment seen, at least 1.
    pub failed_attempts: Option<u32>,
}

impl Invoice {
    /// The record after its first event.
    #[must_use]
    pub fn first(created: StripeTime, facts: &InvoiceFacts) -> Self {
        let mut record = Self {
            stripe_subscription_id: None,
            status: facts.status,
            created: facts.created,
            finalized_at: None,
            paid_at: None,
            billing_reason: None,
            first_failed_at: None,
            last_failed_at: None,
            first_failed_attempt: None,
            failed_attempts: None,
        };
        record.take(created, facts);
        record
    }

    /// Takes an event of any age, made at `created`.
    pub fn take(&mut self, created: StripeTime, facts: &InvoiceFacts) {
        self.stripe_subscription_id = self
            .stripe_subscription_id
            .take()
            .max(facts.subscription.clone());
        self.status = self.status.max(facts.status);
        self.created = self.created.max(facts.created);
        self.finalized_at = self.finalized_at.max(facts.finalized_at);
        self.paid_at = self.paid_at.max(facts.paid_at);
        self.billing_reason = self.billing_reason.take().max(facts.billing_reason.clone());
        let Some(attempt) = facts.failed_attempt else {
            return;
        };
        self.first_failed_at = Some(self.first_failed_at.map_or(created, |at| at.min(created)));
        self.last_failed_at = self.last_failed_at.max(Some(created));
        self.first_failed_attempt = Some(
            self.first_failed_attempt
                .map_or(attempt, |least| least.min(attempt)),
        );
        self.failed_attempts = self.failed_attempts.max(Some(attempt.max(1)));
    }
}
