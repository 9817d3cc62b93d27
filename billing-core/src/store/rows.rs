//! Rows of the tables: one struct each, with the columns' names, for every database.

use serde::{Deserialize, Serialize};

use crate::account::{Contender, Customer, Entitlement, Invoice, Subscription, SubscriptionView};
use crate::catalogue::Tier;
use crate::change::QuarantineReason;
use crate::event::Terms;
use crate::id::{CustomerId, EventId, InvoiceId, ObjectId, StripeCustomerId, SubscriptionId};
use crate::mirror::{MirrorRow, MirrorStatus, MirrorTime};
use crate::time::StripeTime;

/// `billing_customer`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomerRow {
    /// Whose account it is.
    pub stripe_customer_id: StripeCustomerId,
    /// The record.
    #[serde(flatten)]
    pub record: Customer,
}

/// `billing_subscription`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionRow {
    /// Whose account it is in.
    pub stripe_customer_id: StripeCustomerId,
    /// Which one.
    pub stripe_subscription_id: SubscriptionId,
    /// The record.
    #[serde(flatten)]
    pub record: Subscription,
    /// What followed from it when it last changed.
    #[serde(flatten)]
    pub view: SubscriptionView,
}

/// `subscription_terms`: what an event told of what a subscription charges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TermsRow {
    /// Whose account it is in.
    pub stripe_customer_id: StripeCustomerId,
    /// Which subscription.
    pub stripe_subscription_id: SubscriptionId,
    /// When Stripe made the event.
    pub created: StripeTime,
    /// Which event.
    pub event_id: EventId,
    /// What it told.
    #[serde(flatten)]
    pub told: Contender<Terms>,
}

/// `billing_invoice`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InvoiceRow {
    /// Whose account it is in.
    pub stripe_customer_id: StripeCustomerId,
    /// Which one.
    pub stripe_invoice_id: InvoiceId,
    /// The record.
    #[serde(flatten)]
    pub record: Invoice,
}

/// `mirror_row`: what a customer's mirror row should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorState {
    /// Whose row it is.
    pub queue_customer_id: CustomerId,
    /// Their tier.
    pub plan_tier: Tier,
    /// Their status.
    pub status: MirrorStatus,
    /// Until when.
    pub current_period_end: Option<MirrorTime>,
    /// The version.
    pub updated_at: MirrorTime,
    /// When the row changes without an event (A6).
    pub next_deadline: Option<StripeTime>,
    /// Until when they are in grace, while they are.
    pub grace_ends_at: Option<StripeTime>,
    /// Whether what was heard of any of their subscriptions can be read in another way too.
    pub in_doubt: bool,
}

impl MirrorState {
    /// The row that shows this entitlement.
    #[must_use]
    pub fn new(
        queue_customer_id: CustomerId,
        entitlement: Entitlement,
        updated_at: MirrorTime,
    ) -> Self {
        Self {
            queue_customer_id,
            plan_tier: entitlement.plan_tier,
            status: entitlement.status,
            current_period_end: entitlement.current_period_end.map(MirrorTime::from),
            updated_at,
            next_deadline: entitlement.next_deadline,
            grace_ends_at: entitlement.grace_ends_at,
            in_doubt: entitlement.in_doubt,
        }
    }

    /// The row as the mirror gets it.
    #[must_use]
    pub fn row(&self) -> MirrorRow {
        MirrorRow {
            queue_customer_id: self.queue_customer_id.clone(),
            plan_tier: self.plan_tier.clone(),
            status: self.status,
            current_period_end: self.current_period_end,
            updated_at: self.updated_at,
        }
    }
}

/// `mirror_outbox`: a customer whose mirror row is a new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirtyRow {
    /// Whose row it is.
    pub queue_customer_id: CustomerId,
    /// The version.
    pub version: MirrorTime,
    /// Since when the mirror has not had it.
    pub dirty_since: MirrorTime,
    /// When it is to be sent. Not the version: that runs ahead of a clock that went back, and a row
    /// must not wait for it.
    pub due_at: MirrorTime,
}

/// What came of an event, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessedOutcome {
    /// It changed something.
    Applied,
    /// It changed nothing that is kept.
    Stale,
    /// It concerns nothing that is kept.
    Ignored,
    /// It was set aside.
    Quarantined,
}

/// `processed_stripe_events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// Which event.
    pub event_id: EventId,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When Stripe made it.
    pub created: Option<StripeTime>,
    /// The digest of its facts, as it is stored.
    pub facts_digest: String,
    /// What came of it.
    pub outcome: ProcessedOutcome,
    /// When it was taken.
    pub received_at: MirrorTime,
}

/// `billing_quarantine`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuarantineRow {
    /// Which event.
    pub event_id: EventId,
    /// Why.
    pub reason: QuarantineReason,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When Stripe made it.
    pub created: Option<StripeTime>,
    /// The object that it is about, which wants a refresh.
    pub object_id: Option<String>,
    /// When it was taken.
    pub received_at: MirrorTime,
}

/// `refresh_queue`: an object that is to be looked at again through Stripe's API (O4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshRow {
    /// Which object.
    pub object_id: ObjectId,
    /// When it is to be looked at.
    pub due_at: MirrorTime,
    /// How often that was tried since it was marked.
    pub tries: u32,
    /// When it was marked.
    pub marked_at: MirrorTime,
}
