//! Payment methods.

use billing_core::id::{PaymentMethodId, StripeCustomerId};
use serde::Deserialize;

use super::call::Call;
use super::{Answer, Key, List, Stripe, StripeError};

/// A payment method, as far as it is looked at here.
#[derive(Debug, Clone, Deserialize)]
pub struct PaymentMethod {
    /// `id`.
    pub id: PaymentMethodId,
}

impl Stripe {
    /// Whether a payment method is a customer's, as far as the hundred newest of theirs tell.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn has_payment_method(
        &self,
        account: &StripeCustomerId,
        id: &PaymentMethodId,
    ) -> Result<bool, StripeError> {
        let call = Call::get("payment_methods.list", &["payment_methods"])
            .with("customer", account)
            .with("limit", 100);
        let page: Answer<List<PaymentMethod>> = self.send(call).await?;
        Ok(page.object.data.iter().any(|method| method.id == *id))
    }

    /// Gives a payment method to a customer. Stripe refuses one that is another customer's.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn attach_payment_method(
        &self,
        id: &PaymentMethodId,
        customer: &StripeCustomerId,
        key: Key,
    ) -> Result<Answer<PaymentMethod>, StripeError> {
        let path = ["payment_methods", id.as_str(), "attach"];
        let call = Call::post("payment_methods.attach", &path, key).with("customer", customer);
        self.send(call).await
    }
}
