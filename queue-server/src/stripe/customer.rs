//! Customers.

use billing_core::id::{CustomerId, StripeCustomerId};
use serde::Deserialize;

use super::call::Call;
use super::{Answer, Key, Stripe, StripeError};

/// A customer, as far as it is looked at here.
#[derive(Debug, Clone, Deserialize)]
pub struct StripeCustomer {
    /// `id`.
    pub id: StripeCustomerId,
    /// Whether it was deleted: then nothing else of it is there.
    #[serde(default)]
    pub deleted: bool,
}

impl Stripe {
    /// Makes a customer that carries the seller's id of theirs, and no personal datum.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn create_customer(
        &self,
        customer: &CustomerId,
        key: Key,
    ) -> Result<Answer<StripeCustomer>, StripeError> {
        let call = Call::post("customers.create", &["customers"], key)
            .with("metadata[queue_customer_id]", customer);
        self.send(call).await
    }

    /// Reads a customer, also one that was deleted.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn customer(
        &self,
        id: &StripeCustomerId,
    ) -> Result<Answer<StripeCustomer>, StripeError> {
        self.send(Call::get("customers.retrieve", &["customers", id.as_str()]))
            .await
    }
}
