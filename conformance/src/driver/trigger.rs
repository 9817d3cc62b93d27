//! The crate's own scenarios, by the event that each is for.

macro_rules! scenarios {
    ($($event_type:literal),+ $(,)?) => {
        &[$(($event_type, include_str!(concat!("../../scenarios/triggers/", $event_type, ".json")))),+]
    };
}

/// The eleven events that a billing server handles, each with the text of a fixture file that makes Stripe send it.
pub const TRIGGERS: &[(&str, &str)] = scenarios![
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.trial_will_end",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_failed",
    "checkout.session.completed",
];
