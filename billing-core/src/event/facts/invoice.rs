//! What an event says of an invoice.

use serde::{Deserialize, Serialize};

use super::field::{Odd, id, integer, reference, required, string, time, word};
use crate::event::json::Node;
use crate::id::{InvoiceId, StripeCustomerId, SubscriptionId};
use crate::time::StripeTime;

/// An invoice as an event shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InvoiceFacts {
    /// `id`.
    pub id: InvoiceId,
    /// `customer`.
    pub customer: StripeCustomerId,
    /// The subscription that it bills, in either shape; one-off invoices have none.
    pub subscription: Option<SubscriptionId>,
    /// `status`.
    pub status: InvoiceStatus,
    /// `created` of the invoice.
    pub created: StripeTime,
    /// `status_transitions.finalized_at`.
    pub finalized_at: Option<StripeTime>,
    /// `status_transitions.paid_at`.
    pub paid_at: Option<StripeTime>,
    /// `billing_reason`.
    pub billing_reason: Option<String>,
    /// `attempt_count`, of a failed payment only.
    pub failed_attempt: Option<u32>,
}

/// `status` of an invoice, in the order in which they win over each other (O6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceStatus {
    /// Not final.
    Draft,
    /// To be paid.
    Open,
    /// Given up.
    Uncollectible,
    /// Cancelled.
    Void,
    /// Paid.
    Paid,
}

pub(super) fn invoice(object: &Node, failed: bool) -> Result<InvoiceFacts, Odd> {
    let details = object
        .field("parent")
        .and_then(|parent| parent.field("subscription_details"));
    let subscription = match details
        .map(|details| reference(details, "subscription"))
        .transpose()?
        .flatten()
    {
        Some(subscription) => Some(subscription),
        None => reference(object, "subscription")?,
    };
    let transitions = object.field("status_transitions");
    let transition = |name: &str| -> Result<_, Odd> {
        Ok(transitions
            .map(|transitions| time(transitions, name))
            .transpose()?
            .flatten())
    };
    let attempts = integer(object, "attempt_count")?.unwrap_or(0);
    Ok(InvoiceFacts {
        id: id(string(object, "id")?, InvoiceId::parse)?,
        customer: id(reference(object, "customer")?, StripeCustomerId::parse)?,
        subscription: subscription
            .map(|text| id(Some(text), SubscriptionId::parse))
            .transpose()?,
        status: match required(string(object, "status")?)? {
            "draft" => InvoiceStatus::Draft,
            "open" => InvoiceStatus::Open,
            "uncollectible" => InvoiceStatus::Uncollectible,
            "void" => InvoiceStatus::Void,
            "paid" => InvoiceStatus::Paid,
            _ => return Err(Odd),
        },
        created: time(object, "created")?.ok_or(Odd)?,
        finalized_at: transition("finalized_at")?,
        paid_at: transition("paid_at")?,
        billing_reason: word(object, "billing_reason")?,
        failed_attempt: failed
            .then(|| u32::try_from(attempts).map_err(|_| Odd))
            .transpose()?,
    })
}
