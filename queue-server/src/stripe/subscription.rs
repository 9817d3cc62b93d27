//! Subscriptions.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use billing_core::event::SubscriptionStatus;
use billing_core::id::{
    ClaimId, CustomerId, InvoiceId, PaymentMethodId, PriceId, StripeCustomerId, SubscriptionId,
};
use billing_core::time::StripeTime;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::call::Call;
use super::{Answer, Key, List, Price, Reference, Stripe, StripeError, StripeInvoice};

/// The metadata by which a subscription of ours is known.
pub(super) const CLAIM: &str = "queue_claim";
/// As many as Stripe gives at once.
const PAGE: usize = 100;
const PAGES: usize = 10;

/// A subscription, as far as it is looked at here; what the ledger keeps, it reads from the same answer itself.
#[derive(Debug, Clone, Deserialize)]
pub struct StripeSubscription {
    /// `id`.
    pub id: SubscriptionId,
    /// `customer`.
    pub customer: StripeCustomerId,
    /// `created`.
    pub created: StripeTime,
    /// `status`.
    pub status: SubscriptionStatus,
    /// `items`.
    pub items: List<SubscriptionItem>,
    /// `latest_invoice`.
    pub latest_invoice: Option<Reference<InvoiceId, StripeInvoice>>,
    /// An update that waits for its payment.
    #[serde(default)]
    pub pending_update: Option<serde::de::IgnoredAny>,
    /// The test clock that it lives on, where it does.
    #[serde(default)]
    pub test_clock: Option<String>,
    /// `metadata`.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// One price of a subscription.
#[derive(Debug, Clone, Deserialize)]
pub struct SubscriptionItem {
    /// `id`.
    pub id: String,
    /// `price`.
    pub price: Price,
}

/// A subscription that is to be made.
#[derive(Debug, Clone)]
pub struct NewSubscription<'a> {
    /// Whose.
    pub account: &'a StripeCustomerId,
    /// The seller's id of theirs.
    pub customer: &'a CustomerId,
    /// For which claim.
    pub claim: &'a ClaimId,
    /// At which price.
    pub price: &'a PriceId,
    /// Charged to which payment method of theirs, where one is chosen.
    pub payment_method: Option<&'a PaymentMethodId>,
}

impl StripeSubscription {
    /// Whether its first payment is due.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.status == SubscriptionStatus::Incomplete
    }

    /// The claim that it was made for, as far as its metadata tell.
    #[must_use]
    pub fn claim(&self) -> Option<&str> {
        self.metadata.get(CLAIM).map(String::as_str)
    }

    /// The latest invoice's id.
    #[must_use]
    pub fn latest_invoice_id(&self) -> Option<&InvoiceId> {
        match self.latest_invoice.as_ref()? {
            Reference::Id(id) => Some(id),
            Reference::Expanded(invoice) => Some(&invoice.id),
        }
    }

    /// What a browser needs to pay the latest invoice, where it came along.
    #[must_use]
    pub fn client_secret(&self) -> Option<&str> {
        match self.latest_invoice.as_ref()? {
            Reference::Id(_) => None,
            Reference::Expanded(invoice) => invoice.client_secret(),
        }
    }
}

impl Stripe {
    fn with_secret(&self, call: Call) -> Call {
        let secret = format!("latest_invoice.{}", self.secret_of_invoice());
        call.with("expand[]", secret)
    }

    /// Asks for subscriptions with what their discounts take off; or, where Stripe does not show that to this key or in
    /// this version, without: access does not wait for revenue.
    async fn send_for_coupons<T: DeserializeOwned>(
        &self,
        call: impl Fn() -> Call,
        of: &str,
    ) -> Result<Answer<T>, StripeError> {
        if self.hides_coupons.load(Ordering::Relaxed) {
            return self.send(call()).await;
        }
        let coupons = self.coupons().iter();
        let asking = coupons.fold(call(), |call, coupons| {
            call.with("expand[]", format!("{of}{coupons}"))
        });
        match self.send(asking).await {
            Err(StripeError::Forbidden | StripeError::Refused) => {
                let answer = self.send(call()).await;
                self.hides_coupons.store(answer.is_ok(), Ordering::Relaxed);
                answer
            }
            answer => answer,
        }
    }

    /// Makes a subscription whose first payment is left to the customer, and is kept for the later ones.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn create_subscription(
        &self,
        new: &NewSubscription<'_>,
        key: Key,
    ) -> Result<Answer<StripeSubscription>, StripeError> {
        let call = Call::post("subscriptions.create", &["subscriptions"], key)
            .with("customer", new.account)
            .with("items[0][price]", new.price)
            .with("payment_behavior", "default_incomplete")
            .with(
                "payment_settings[save_default_payment_method]",
                "on_subscription",
            )
            .with_some("default_payment_method", new.payment_method)
            .with("metadata[queue_customer_id]", new.customer)
            .with(&format!("metadata[{CLAIM}]"), new.claim);
        self.send(self.with_secret(call)).await
    }

    /// Reads a subscription with its latest invoice, what a browser needs to pay that, and what its discounts take off.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn subscription(
        &self,
        id: &SubscriptionId,
    ) -> Result<Answer<StripeSubscription>, StripeError> {
        let path = ["subscriptions", id.as_str()];
        let call = || self.with_secret(Call::get("subscriptions.retrieve", &path));
        self.send_for_coupons(call, "").await
    }

    /// A customer's subscriptions that are not cancelled, the newest first: a thousand at most, which is more than
    /// anybody has.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn subscriptions_of(
        &self,
        account: &StripeCustomerId,
    ) -> Result<Vec<StripeSubscription>, StripeError> {
        let mut subscriptions: Vec<StripeSubscription> = Vec::new();
        for _ in 0..PAGES {
            let call = Call::get("subscriptions.list", &["subscriptions"])
                .with("customer", account)
                .with("limit", PAGE)
                .with_some("starting_after", subscriptions.last().map(|last| &last.id));
            let page: Answer<List<StripeSubscription>> = self.send(call).await?;
            subscriptions.extend(page.object.data);
            if !page.object.has_more {
                break;
            }
        }
        Ok(subscriptions)
    }

    /// A page of all subscriptions there ever were, the newest first, that come after one: with their customers, latest
    /// invoices and discounts.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn all_subscriptions(
        &self,
        after: Option<&SubscriptionId>,
    ) -> Result<Answer<List<Value>>, StripeError> {
        let call = || {
            Call::get("subscriptions.list", &["subscriptions"])
                .with("status", "all")
                .with("limit", PAGE)
                .with("expand[]", "data.customer")
                .with("expand[]", "data.latest_invoice")
                .with_some("starting_after", after)
        };
        self.send_for_coupons(call, "data.").await
    }

    /// Moves an item of a subscription to a dearer price at once. What is due for the rest of the period is billed
    /// now, and the change waits for its payment.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn upgrade_subscription(
        &self,
        id: &SubscriptionId,
        item: &str,
        price: &PriceId,
        key: Key,
    ) -> Result<Answer<StripeSubscription>, StripeError> {
        let path = ["subscriptions", id.as_str()];
        let call = Call::post("subscriptions.update", &path, key)
            .with("items[0][id]", item)
            .with("items[0][price]", price)
            .with("proration_behavior", "always_invoice")
            .with("payment_behavior", "pending_if_incomplete");
        self.send(self.with_secret(call)).await
    }
}
