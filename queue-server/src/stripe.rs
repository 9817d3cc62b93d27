//! Stripe's API, as far as Queue calls it. Nothing else in the product talks to Stripe.
//!
//! 1. Every call has a time-out, and a bounded number of tries with jittered pauses; `Stripe-Should-Retry`
//!    and `Retry-After` are heeded. A POST carries an idempotency key, so that none of them is done twice.
//! 2. No redirect is followed and no proxy used: the key goes to the configured address and nowhere else.
//! 3. An error is one of ours, by Stripe's codes ([`StripeError`]). No text of Stripe's is logged, answered
//!    or kept: it may quote what a customer entered.
//! 4. The API version is pinned: `STRIPE_API_VERSION`, in either of the two shapes that matter here.

mod answer;
mod call;
mod checkout;
mod customer;
mod error;
mod event;
mod invoice;
mod pace;
mod payment_method;
mod portal;
mod price;
mod product;
mod subscription;
mod webhook_endpoint;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use reqwest::header::HeaderValue;
use reqwest::{Client, Url, redirect};

pub use answer::{Answer, List, Reference};
pub use call::Key;
pub use checkout::{CheckoutSession, CheckoutStatus, NewCheckout};
pub use customer::StripeCustomer;
pub use error::{Decline, StripeError};
pub use event::StripeEvent;
pub use invoice::StripeInvoice;
pub use pace::Pace;
pub use payment_method::PaymentMethod;
pub use portal::{PortalConfiguration, PortalPlan, PortalSession};
pub use price::{NewPrice, Price, Recurring};
pub use product::Product;
pub use subscription::{NewSubscription, StripeSubscription};
pub use webhook_endpoint::WebhookEndpoint;

/// The version whose shapes this was written for.
pub const DEFAULT_API_VERSION: &str = "2025-03-31.basil";
/// The first version in which an invoice has a `confirmation_secret` instead of a `payment_intent`.
const FIRST_WITH_CONFIRMATION_SECRET: &str = "2025-03-31";
/// The first version in which a discount has no more than the id of its coupon.
const FIRST_WITH_COUPON_AT_SOURCE: &str = "2025-09-30";
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where Stripe is, and how to call it.
#[derive(Clone)]
pub struct StripeConfig {
    /// `https://api.stripe.com`, or a simulator's address.
    pub base: Url,
    /// The restricted (or secret) key.
    pub key: HeaderValue,
    /// The API version.
    pub version: String,
    /// How long one try may take.
    pub timeout: Duration,
    /// How often and at what pace a call is tried again.
    pub pace: Pace,
}

// The key is a secret.
impl fmt::Debug for StripeConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StripeConfig({}, {})", self.base, self.version)
    }
}

/// A client of Stripe's API. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Stripe {
    client: Client,
    config: StripeConfig,
    /// Whether Stripe refused to show what discounts take off: it is not asked for again.
    hides_coupons: Arc<AtomicBool>,
}

impl Stripe {
    /// Makes a client. Nothing is called yet.
    ///
    /// # Errors
    /// When the system has no root certificates.
    pub fn new(config: StripeConfig) -> anyhow::Result<Self> {
        let builder = if config.base.scheme() == "https" {
            Client::builder()
        } else {
            // Without TLS there need be no certificates on the machine.
            Client::builder().tls_certs_only([])
        };
        let client = builder
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(config.timeout)
            .build()
            .context("no HTTP client can be made: are the system's root certificates there?")?;
        Ok(Self {
            client,
            config,
            hides_coupons: Arc::default(),
        })
    }

    /// The pinned API version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.config.version
    }

    /// Where a subscription's answer has what its discounts take off. Stripe expands no deeper than four steps, so that
    /// from some version on those of items can't be seen.
    fn coupons(&self) -> &'static [&'static str] {
        if self.config.version.as_str() < FIRST_WITH_COUPON_AT_SOURCE {
            &["discounts", "items.data.discounts"]
        } else {
            &["discounts.source.coupon"]
        }
    }

    /// Where a subscription's answer has what a browser needs to pay the first invoice.
    fn secret_of_invoice(&self) -> &'static str {
        if self.config.version.as_str() < FIRST_WITH_CONFIRMATION_SECRET {
            "payment_intent"
        } else {
            "confirmation_secret"
        }
    }
}
