//! Projection: all that is known of one Stripe customer, and what follows from it (O1, A1–A6).
//!
//! An [`Account`] is a function of the *set* of events that it took. What follows from it — the
//! [`SubscriptionView`]s and, over all accounts of one customer, the mirror row — is a function of
//! the account, the policy and `now`.

mod access;
mod contenders;
mod customer;
mod entitlement;
mod feature_lock;
mod invoice;
mod subscription;
mod walk;

use std::collections::BTreeMap;

pub use access::SubscriptionView;
pub use contenders::Contenders;
pub use customer::Customer;
pub use entitlement::Entitlement;
pub use invoice::Invoice;
pub use subscription::{Contender, PriceChange, Settled, Subscription};

use jiff::Timestamp;

use crate::change::{AccountChange, Said};
use crate::id::{CustomerId, InvoiceId, StripeCustomerId, SubscriptionId};
use crate::policy::Policy;
#[cfg(feature = "_store")]
use crate::time::StripeTime;

/// The records of one Stripe customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Whose they are.
    pub id: StripeCustomerId,
    /// The customer.
    pub customer: Customer,
    /// The subscriptions.
    pub subscriptions: BTreeMap<SubscriptionId, Subscription>,
    /// The invoices.
    pub invoices: BTreeMap<InvoiceId, Invoice>,
}

impl Account {
    /// An account of which nothing is known.
    #[must_use]
    pub fn new(id: StripeCustomerId) -> Self {
        Self {
            id,
            customer: Customer::default(),
            subscriptions: BTreeMap::new(),
            invoices: BTreeMap::new(),
        }
    }

    /// Takes what an event says, whatever its age.
    pub fn apply(&mut self, change: &AccountChange) {
        match &change.said {
            Said::Customer(facts) => self.customer.take(&change.event_id, change.created, facts),
            Said::CustomerGone => self.customer.delete(change.created),
            Said::Claimed(customer) => {
                self.customer
                    .bind(customer, change.created, &change.event_id);
            }
            Said::Subscription(facts) => {
                let record = self
                    .subscriptions
                    .entry(facts.id.clone())
                    .and_modify(|record| {
                        record.take(change.event_id.clone(), change.created, facts)
                    })
                    .or_insert_with(|| {
                        Subscription::first(change.event_id.clone(), change.created, facts)
                    });
                if let Some(until) = change.seen_until {
                    record.was_seen(until);
                }
            }
            Said::Invoice(facts) => {
                self.invoices
                    .entry(facts.id.clone())
                    .and_modify(|record| record.take(change.created, facts))
                    .or_insert_with(|| Invoice::first(change.created, facts));
            }
        }
    }

    /// Whether a payment of a subscription failed in this second or later.
    #[cfg(feature = "_store")]
    pub(crate) fn failed_since(&self, id: &SubscriptionId, since: Option<StripeTime>) -> bool {
        self.invoices_of(id)
            .any(|invoice| invoice.last_failed_at.is_some() && invoice.last_failed_at >= since)
    }

    /// Whether an invoice of a subscription was paid in this second or later.
    #[cfg(feature = "_store")]
    pub(crate) fn paid_since(&self, id: &SubscriptionId, since: StripeTime) -> bool {
        let mut invoices = self.invoices_of(id);
        invoices.any(|invoice| invoice.paid_at >= Some(since))
    }

    fn invoices_of(&self, id: &SubscriptionId) -> impl Iterator<Item = &Invoice> {
        let invoices = self.invoices.values();
        invoices.filter(move |invoice| invoice.stripe_subscription_id.as_ref() == Some(id))
    }

    /// The seller's id for this customer: the one they are bound to, or `stripe:<cus_…>` (E4).
    #[must_use]
    pub fn owner(&self) -> CustomerId {
        self.customer
            .queue_customer_id
            .clone()
            .unwrap_or_else(|| CustomerId::unbound(&self.id))
    }

    /// What follows for each subscription at this moment.
    #[must_use]
    pub fn views(
        &self,
        policy: &Policy,
        now: Timestamp,
    ) -> BTreeMap<SubscriptionId, SubscriptionView> {
        self.subscriptions
            .iter()
            .filter_map(|(id, record)| {
                let case = access::Case {
                    record,
                    invoices: self.invoices_of(id).collect(),
                    customer: &self.customer,
                    policy,
                    now,
                };
                Some((id.clone(), case.view()?))
            })
            .collect()
    }
}
