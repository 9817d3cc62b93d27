//! The types of events that we understand (E1).

use std::fmt;

use serde::{Deserialize, Serialize};

/// `type` of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventType {
    /// `customer.created` or `customer.updated`.
    Customer(String),
    /// `customer.deleted`.
    CustomerDeleted,
    /// `customer.subscription.*`, as far as they carry a subscription's state.
    Subscription(SubscriptionEventKind),
    /// `invoice.payment_failed`.
    InvoicePaymentFailed,
    /// The other `invoice.*` types that carry an invoice's state.
    Invoice(String),
    /// `checkout.session.completed`.
    CheckoutCompleted,
    /// Any other type: recorded as ignored.
    Unhandled(String),
}

/// What kind of snapshot of a subscription an event carries. The names are those in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionEventKind {
    /// `customer.subscription.created`.
    Created,
    /// `customer.subscription.trial_will_end`.
    TrialWillEnd,
    /// `customer.subscription.updated`.
    Updated,
    /// `customer.subscription.paused`.
    Paused,
    /// `customer.subscription.resumed`.
    Resumed,
    /// `customer.subscription.pending_update_applied`.
    PendingUpdateApplied,
    /// `customer.subscription.pending_update_expired`.
    PendingUpdateExpired,
    /// `customer.subscription.deleted`.
    Deleted,
}

/// The handled types that concern no subscription.
const HANDLED: [&str; 12] = [
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "invoice.updated",
    "invoice.voided",
    "invoice.marked_uncollectible",
    "checkout.session.completed",
];

const SUBSCRIPTION_PREFIX: &str = "customer.subscription.";

impl SubscriptionEventKind {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Created, "customer.subscription.created"),
        (Self::TrialWillEnd, "customer.subscription.trial_will_end"),
        (Self::Updated, "customer.subscription.updated"),
        (Self::Paused, "customer.subscription.paused"),
        (Self::Resumed, "customer.subscription.resumed"),
        (
            Self::PendingUpdateApplied,
            "customer.subscription.pending_update_applied",
        ),
        (
            Self::PendingUpdateExpired,
            "customer.subscription.pending_update_expired",
        ),
        (Self::Deleted, "customer.subscription.deleted"),
    ];

    fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or(SUBSCRIPTION_PREFIX, |(_, name)| name)
    }
}

impl EventType {
    pub(super) fn parse(name: &str) -> Self {
        if let Some((kind, _)) = SubscriptionEventKind::ALL
            .iter()
            .find(|(_, known)| *known == name)
        {
            return Self::Subscription(*kind);
        }
        match name {
            "customer.created" | "customer.updated" => Self::Customer(name.to_owned()),
            "customer.deleted" => Self::CustomerDeleted,
            "invoice.payment_failed" => Self::InvoicePaymentFailed,
            "invoice.finalized"
            | "invoice.paid"
            | "invoice.payment_succeeded"
            | "invoice.voided"
            | "invoice.marked_uncollectible"
            | "invoice.updated"
            | "invoice.payment_action_required" => Self::Invoice(name.to_owned()),
            "checkout.session.completed" => Self::CheckoutCompleted,
            _ => Self::Unhandled(name.to_owned()),
        }
    }

    /// The types that are handled, as Stripe writes them: what a webhook endpoint is to be sent.
    #[must_use]
    pub fn handled() -> Vec<&'static str> {
        let subscriptions = SubscriptionEventKind::ALL.iter().map(|(_, name)| *name);
        HANDLED.iter().copied().chain(subscriptions).collect()
    }

    /// `type` as Stripe writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Customer(name) | Self::Invoice(name) | Self::Unhandled(name) => name,
            Self::CustomerDeleted => "customer.deleted",
            Self::Subscription(kind) => kind.name(),
            Self::InvoicePaymentFailed => "invoice.payment_failed",
            Self::CheckoutCompleted => "checkout.session.completed",
        }
    }

    /// A label for metrics: the types that we handle by name, all others as one, so that a sender
    /// of made-up types can't make a time series of each.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Unhandled(_) => "other",
            known => known.as_str(),
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handled_is_understood_and_says_its_name() {
        for name in EventType::handled() {
            let parsed = EventType::parse(name);
            assert!(!matches!(parsed, EventType::Unhandled(_)), "{name}");
            assert_eq!(parsed.as_str(), name);
        }
    }
}
