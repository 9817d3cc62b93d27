//! What an event says of a subscription.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::field::{Odd, boolean, id, integer, reference, string, time, word};
use super::terms::{Coupon, Terms};
use crate::event::json::Node;
use crate::event::kind::SubscriptionEventKind;
use crate::id::{DiscountId, InvoiceId, PriceId, StripeCustomerId, SubscriptionId};
use crate::time::StripeTime;

/// A subscription as an event shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubscriptionFacts {
    /// `id`.
    pub id: SubscriptionId,
    /// `customer`.
    pub customer: StripeCustomerId,
    /// What kind of event it was.
    pub kind: SubscriptionEventKind,
    /// The state that the event shows.
    pub post: StateVector,
    /// The state before, where the event has `previous_attributes`.
    pub pre: Option<StateVector>,
    /// What it charges, by the state that the event shows. Prices and coupons are objects of their own, which one
    /// version of Stripe's API shows and another does not: no part of the facts by which two bodies are told apart.
    #[serde(skip)]
    pub terms: Terms,
    /// What it charged by the state before.
    #[serde(skip)]
    pub terms_before: Option<Terms>,
    /// The coupons of its discounts, where they are shown.
    #[serde(skip)]
    pub coupons: BTreeMap<DiscountId, Coupon>,
}

/// The part of a subscription's state that decides order and access (O3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StateVector {
    /// `status`.
    pub status: SubscriptionStatus,
    /// Prices with quantities, sorted.
    pub items: Vec<PricedItem>,
    /// The latest `current_period_end` of the items, or the subscription's own in the older shape.
    pub period_end: Option<StripeTime>,
    /// `cancel_at_period_end`.
    pub cancel_at_period_end: bool,
    /// `cancel_at`.
    pub cancel_at: Option<StripeTime>,
    /// `pause_collection`.
    pub pause: Option<PauseCollection>,
    /// `latest_invoice`.
    pub latest_invoice: Option<InvoiceId>,
    /// Whether a `pending_update` waits for its invoice to be paid.
    pub pending_update: bool,
}

/// One price of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PricedItem {
    /// `price.id`.
    pub price: PriceId,
    /// `quantity`; metered prices have none.
    pub quantity: Option<i64>,
}

/// `pause_collection`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PauseCollection {
    /// `behavior`.
    pub behavior: Option<String>,
    /// `resumes_at`; none: until somebody resumes it.
    pub resumes_at: Option<StripeTime>,
}

/// `status` of a subscription: Stripe's, or whatever else it said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum SubscriptionStatus {
    /// `incomplete`: the first payment is due.
    Incomplete,
    /// `incomplete_expired`: it never came.
    IncompleteExpired,
    /// `trialing`.
    Trialing,
    /// `active`.
    Active,
    /// `past_due`: a payment failed.
    PastDue,
    /// `unpaid`: payments failed, and Stripe stopped trying.
    Unpaid,
    /// `paused`: a trial ended without a payment method.
    Paused,
    /// `canceled`.
    Canceled,
    /// A status that Stripe did not have when this was written: grants nothing.
    Unknown(String),
}

impl SubscriptionStatus {
    /// Whether nothing follows this status (O2).
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }

    /// Whether a subscription of this status charges, and so brings revenue.
    #[cfg(feature = "_store")]
    pub(crate) fn charges(&self) -> bool {
        matches!(self, Self::Active | Self::PastDue)
    }

    /// The status as Stripe writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Canceled => "canceled",
            Self::Unknown(status) => status,
        }
    }
}

impl From<String> for SubscriptionStatus {
    fn from(status: String) -> Self {
        match status.as_str() {
            "incomplete" => Self::Incomplete,
            "incomplete_expired" => Self::IncompleteExpired,
            "trialing" => Self::Trialing,
            "active" => Self::Active,
            "past_due" => Self::PastDue,
            "unpaid" => Self::Unpaid,
            "paused" => Self::Paused,
            "canceled" => Self::Canceled,
            _ => Self::Unknown(status),
        }
    }
}

impl From<SubscriptionStatus> for String {
    fn from(status: SubscriptionStatus) -> Self {
        status.as_str().to_owned()
    }
}

impl fmt::Display for SubscriptionStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

pub(super) fn subscription(
    kind: SubscriptionEventKind,
    object: &Node,
    previous: Option<&Node>,
) -> Result<SubscriptionFacts, Odd> {
    let before = previous.map(|previous| object.overlaid_with(previous));
    let post = state_vector(object)?;
    let pre = before.as_ref().map(state_vector).transpose()?;
    let terms = |object: &Node, state: &StateVector| Terms::of(object, state.status.clone());
    Ok(SubscriptionFacts {
        id: id(string(object, "id")?, SubscriptionId::parse)?,
        customer: id(reference(object, "customer")?, StripeCustomerId::parse)?,
        kind,
        terms: terms(object, &post),
        terms_before: before
            .as_ref()
            .zip(pre.as_ref())
            .map(|(before, state)| terms(before, state)),
        coupons: Coupon::shown_in(object),
        post,
        pre,
    })
}

fn state_vector(object: &Node) -> Result<StateVector, Odd> {
    let data = object.field("items").and_then(|items| items.field("data"));
    let Some(Node::List(data)) = data else {
        return Err(Odd);
    };
    let mut items = Vec::with_capacity(data.len());
    let mut period_end = None;
    for item in data {
        items.push(PricedItem {
            price: id(reference(item, "price")?, PriceId::parse)?,
            quantity: integer(item, "quantity")?,
        });
        period_end = period_end.max(time(item, "current_period_end")?);
    }
    items.sort();
    Ok(StateVector {
        status: SubscriptionStatus::from(word(object, "status")?.ok_or(Odd)?),
        items,
        period_end: period_end.or(time(object, "current_period_end")?),
        cancel_at_period_end: boolean(object, "cancel_at_period_end")?,
        cancel_at: time(object, "cancel_at")?,
        pause: object
            .field("pause_collection")
            .map(pause_collection)
            .transpose()?,
        latest_invoice: reference(object, "latest_invoice")?
            .map(|invoice| id(Some(invoice), InvoiceId::parse))
            .transpose()?,
        pending_update: object.field("pending_update").is_some(),
    })
}

fn pause_collection(node: &Node) -> Result<PauseCollection, Odd> {
    Ok(PauseCollection {
        behavior: word(node, "behavior")?,
        resumes_at: time(node, "resumes_at")?,
    })
}
