//! Prices.

use billing_core::id::PriceId;
use serde::Deserialize;

use super::call::Call;
use super::{Answer, Key, List, Stripe, StripeError};

/// A price, as far as it is looked at here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Price {
    /// `id`.
    pub id: PriceId,
    /// Whether it can be subscribed to.
    pub active: bool,
    /// In minor units of the currency; prices in tiers have none.
    pub unit_amount: Option<i64>,
    /// `currency`, three lower-case letters.
    pub currency: String,
    /// `recurring`; what is bought once has none.
    pub recurring: Option<Recurring>,
    /// `lookup_key`.
    #[serde(default)]
    pub lookup_key: Option<String>,
    /// The product's id.
    pub product: String,
}

/// How often a price is paid.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Recurring {
    /// `day`, `week`, `month` or `year`.
    pub interval: String,
    /// How many of them.
    pub interval_count: u32,
}

/// A price that is to be made.
#[derive(Debug, Clone)]
pub struct NewPrice<'a> {
    /// Of which product.
    pub product: &'a str,
    /// By what it is found again.
    pub lookup_key: &'a str,
    /// In minor units.
    pub unit_amount: i64,
    /// Three lower-case letters.
    pub currency: &'a str,
    /// `month`, and the like.
    pub interval: &'a str,
}

impl Stripe {
    /// Reads a price.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn price(&self, id: &PriceId) -> Result<Answer<Price>, StripeError> {
        self.send(Call::get("prices.retrieve", &["prices", id.as_str()]))
            .await
    }

    /// The active price with a lookup key, of which Stripe lets there be one.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn price_with_lookup_key(
        &self,
        lookup_key: &str,
    ) -> Result<Option<Price>, StripeError> {
        let call = Call::get("prices.list", &["prices"])
            .with("lookup_keys[]", lookup_key)
            .with("active", true);
        let page: Answer<List<Price>> = self.send(call).await?;
        Ok(page.object.data.into_iter().next())
    }

    /// Makes a price.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn create_price(
        &self,
        new: &NewPrice<'_>,
        key: Key,
    ) -> Result<Answer<Price>, StripeError> {
        let call = Call::post("prices.create", &["prices"], key)
            .with("product", new.product)
            .with("lookup_key", new.lookup_key)
            .with("unit_amount", new.unit_amount)
            .with("currency", new.currency)
            .with("recurring[interval]", new.interval);
        self.send(call).await
    }
}
