//! Checkout sessions.

use std::collections::BTreeMap;

use billing_core::id::{ClaimId, CustomerId, ObjectId, PriceId, StripeCustomerId, SubscriptionId};
use serde::Deserialize;

use super::call::Call;
use super::subscription::CLAIM;
use super::{Answer, Key, List, Stripe, StripeError};

/// A checkout session, as far as it is looked at here. Its URL is for its customer alone.
#[derive(Clone, Deserialize)]
pub struct CheckoutSession {
    /// `id`.
    pub id: ObjectId,
    /// `status`.
    pub status: CheckoutStatus,
    /// Stripe's page, while the session is open.
    pub url: Option<String>,
    /// `customer`.
    pub customer: Option<StripeCustomerId>,
    /// The subscription that it made.
    pub subscription: Option<SubscriptionId>,
    /// `metadata`.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

impl CheckoutSession {
    /// The claim that it was opened for, as far as its metadata tell.
    #[must_use]
    pub fn claim(&self) -> Option<&str> {
        self.metadata.get(CLAIM).map(String::as_str)
    }
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckoutStatus {
    /// It can be paid.
    Open,
    /// It was paid, or its payment is under way.
    Complete,
    /// It can't be paid any more.
    Expired,
}

/// A session that is to be opened.
#[derive(Debug, Clone)]
pub struct NewCheckout<'a> {
    /// Whose.
    pub account: &'a StripeCustomerId,
    /// The seller's id of theirs.
    pub customer: &'a CustomerId,
    /// For which claim.
    pub claim: &'a ClaimId,
    /// At which price.
    pub price: &'a PriceId,
    /// Where the customer goes who paid.
    pub success_url: &'a str,
    /// Where the customer goes who turned back.
    pub cancel_url: &'a str,
}

impl Stripe {
    /// Opens a session that subscribes a customer.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn create_checkout(
        &self,
        new: &NewCheckout<'_>,
        key: Key,
    ) -> Result<Answer<CheckoutSession>, StripeError> {
        let call = Call::post("checkout.create", &["checkout", "sessions"], key)
            .with("mode", "subscription")
            .with("customer", new.account)
            .with(&format!("metadata[{CLAIM}]"), new.claim)
            .with("line_items[0][price]", new.price)
            .with("line_items[0][quantity]", 1)
            .with("success_url", new.success_url)
            .with("cancel_url", new.cancel_url)
            .with(
                "subscription_data[metadata][queue_customer_id]",
                new.customer,
            )
            .with(&format!("subscription_data[metadata][{CLAIM}]"), new.claim);
        self.send(call).await
    }

    /// A customer's sessions that can still be paid.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn open_checkouts_of(
        &self,
        account: &StripeCustomerId,
    ) -> Result<Vec<CheckoutSession>, StripeError> {
        let call = Call::get("checkout.list", &["checkout", "sessions"])
            .with("customer", account)
            .with("status", "open")
            .with("limit", 100);
        let page: Answer<List<CheckoutSession>> = self.send(call).await?;
        Ok(page.object.data)
    }

    /// Reads a session.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn checkout(&self, id: &ObjectId) -> Result<Answer<CheckoutSession>, StripeError> {
        let path = ["checkout", "sessions", id.as_str()];
        self.send(Call::get("checkout.retrieve", &path)).await
    }

    /// Closes a session that is open. Stripe refuses one that is paid.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn expire_checkout(
        &self,
        id: &ObjectId,
        key: Key,
    ) -> Result<Answer<CheckoutSession>, StripeError> {
        let path = ["checkout", "sessions", id.as_str(), "expire"];
        self.send(Call::post("checkout.expire", &path, key)).await
    }
}
