//! Claims to subscribe: made in the database before Stripe is called (B1).
//!
//! A customer holds at most one claim that has not ended, and keys of idempotent requests follow from it. So
//! two calls at once, or one that is made again after a crash or a time-out, ask Stripe for the same thing
//! under the same key, and get the same subscription. All that is sent stands in the claim: under one key
//! Stripe takes the same parameters only.

use serde::{Deserialize, Serialize};

use crate::catalogue::Tier;
use crate::id::{ClaimId, CustomerId, ObjectId, PaymentMethodId, PriceId, StripeCustomerId};
use crate::mirror::MirrorTime;

/// `subscribe_claim`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Who is about to subscribe.
    pub queue_customer_id: CustomerId,
    /// What Stripe's keys follow from.
    pub claim_id: ClaimId,
    /// What is sent.
    #[serde(flatten)]
    pub wanted: Wanted,
    /// The customer at Stripe, once it is known.
    pub stripe_customer_id: Option<StripeCustomerId>,
    /// The subscription, or the checkout session, once it is known.
    pub object_id: Option<ObjectId>,
    /// When it was made.
    pub claimed_at: MirrorTime,
    /// When it ended: nothing more comes of it.
    pub ended_at: Option<MirrorTime>,
}

/// What a customer wants to subscribe to, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// How.
    pub via: Via,
    /// The tier.
    pub plan_tier: Tier,
    /// The price that buys it.
    pub price_id: PriceId,
    /// The payment method that the subscription is charged to, where one is chosen already.
    pub payment_method_id: Option<PaymentMethodId>,
    /// Where Checkout sends the customer who paid.
    pub success_url: Option<String>,
    /// Where Checkout sends the customer who turned back.
    pub cancel_url: Option<String>,
}

/// How a customer subscribes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// On the seller's own page: the subscription is made at once, and its first payment is due.
    Subscribe,
    /// On Stripe's page: a checkout session makes the subscription when it is paid.
    Checkout,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimStep {
    /// Stripe has this customer for it.
    CustomerMade(StripeCustomerId),
    /// Stripe has this subscription, or checkout session, for it.
    ObjectMade(ObjectId),
    /// Nothing more comes of it: Stripe refused, or what came of it is over.
    Ended,
}

impl Claim {
    /// A claim of which Stripe knows nothing yet.
    #[must_use]
    pub fn new(
        queue_customer_id: CustomerId,
        claim_id: ClaimId,
        wanted: Wanted,
        claimed_at: MirrorTime,
    ) -> Self {
        Self {
            queue_customer_id,
            claim_id,
            wanted,
            stripe_customer_id: None,
            object_id: None,
            claimed_at,
            ended_at: None,
        }
    }

    /// Whether something may still come of it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.ended_at.is_none()
    }
}
