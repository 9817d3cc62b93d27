//! A customer's record: whom it is bound to, what Stripe knows of the person (E4, O6).

use serde::{Deserialize, Serialize};

use crate::event::CustomerFacts;
use crate::id::{CustomerId, EventId};
use crate::personal::PersonalData;
use crate::time::StripeTime;

/// What is kept of one Stripe customer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Customer {
    /// The seller's id: the one that we made the account for, else the one that the customer object carries, of
    /// the earliest event that carries one.
    pub queue_customer_id: Option<CustomerId>,
    /// `created` of that event.
    pub bound_at: Option<StripeTime>,
    /// That event; ties in one second go to the least id.
    pub bound_by: Option<EventId>,
    /// The earliest event that said it was deleted. A tombstone: nothing reopens it (O5).
    pub deleted_at: Option<StripeTime>,
    /// `created` of the event that the personal data are from.
    pub personal_at: Option<StripeTime>,
    /// That event; ties in one second go to the greatest id.
    pub personal_by: Option<EventId>,
    /// The personal data.
    #[serde(flatten)]
    pub personal: PersonalData,
}

impl Customer {
    /// Takes an event of any age.
    pub fn take(&mut self, event: &EventId, created: StripeTime, facts: &CustomerFacts) {
        let key = (Some(created), Some(event.clone()));
        if let Some(queue_customer_id) = &facts.queue_customer_id {
            self.bind(queue_customer_id, created, event);
        }
        if facts.deleted {
            self.delete(created);
        }
        if key > (self.personal_at, self.personal_by.clone()) {
            self.personal = facts.personal.clone();
            (self.personal_at, self.personal_by) = key;
        }
    }

    /// Whether an event of this customer would change nothing but when their data were last told.
    #[cfg(feature = "_store")]
    pub(crate) fn shows(
        &self,
        event: &EventId,
        created: StripeTime,
        facts: &CustomerFacts,
    ) -> bool {
        let mut told = self.clone();
        told.take(event, created, facts);
        told.personal_at = self.personal_at;
        told.personal_by.clone_from(&self.personal_by);
        told == *self
    }

    /// Notes that it is deleted, since when at the latest.
    pub(super) fn delete(&mut self, created: StripeTime) {
        self.deleted_at = Some(self.deleted_at.map_or(created, |at| at.min(created)));
    }

    /// Binds it to an id of the seller's, unless an earlier event did.
    pub(super) fn bind(&mut self, id: &CustomerId, created: StripeTime, event: &EventId) {
        let key = (Some(created), Some(event.clone()));
        if self.queue_customer_id.is_none() || key < (self.bound_at, self.bound_by.clone()) {
            self.queue_customer_id = Some(id.clone());
            (self.bound_at, self.bound_by) = key;
        }
    }
}
