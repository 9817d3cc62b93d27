//! What an event says of the objects that we keep, read from either of Stripe's shapes (E2).
//!
//! A field that is absent stays absent: no missing status is read as active, no missing period
//! end as endless. A field of a known type that has another type than Stripe documents makes the
//! whole event unreadable rather than half read.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::json::Node;
use super::kind::{EventType, SubscriptionEventKind};
use crate::id::{CustomerId, InvoiceId, PriceId, StripeCustomerId, SubscriptionId};
use crate::personal::{Personal, PersonalData};
use crate::time::StripeTime;

/// The longest status or reason that is stored, in bytes; Stripe's are a third of it.
const MAX_WORD_LENGTH: usize = 64;

/// What an event says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Facts {
    /// Of a customer.
    Customer(CustomerFacts),
    /// Of a subscription.
    Subscription(SubscriptionFacts),
    /// Of an invoice.
    Invoice(InvoiceFacts),
    /// Of a checkout session; one that nobody here opened says nothing to us.
    Checkout,
    /// Nothing that we keep: an unknown type, a refund, a dispute.
    Nothing,
    /// Something that can't be read; the id of the object is kept where it can.
    Unreadable {
        /// `data.object.id`, or the related object's of a thin event.
        object_id: Option<String>,
        /// Whether it is a thin event, which we know and don't take.
        thin: bool,
    },
}

/// A customer as an event shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CustomerFacts {
    /// `id`.
    pub id: StripeCustomerId,
    /// `metadata.queue_customer_id`, if it is an id that a seller may choose (E4).
    pub queue_customer_id: Option<CustomerId>,
    /// Whether the event says that it is gone.
    pub deleted: bool,
    /// Personal data, in the customer's own table only.
    #[serde(skip)]
    pub personal: PersonalData,
}

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
}

/// The part of a subscription's state that decides order and access (ORDERING, O3).
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

/// An invoice as an event shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InvoiceFacts {
    /// `id`.
    pub id: InvoiceId,
    /// `customer`.
    pub customer: StripeCustomerId,
    /// The subscription that it bills, in either shape; one-off invoices have none.
    pub subscription: Option<SubscriptionId>,
    /// `status`.
    pub status: InvoiceStatus,
    /// `created` of the invoice.
    pub created: StripeTime,
    /// `status_transitions.finalized_at`.
    pub finalized_at: Option<StripeTime>,
    /// `status_transitions.paid_at`.
    pub paid_at: Option<StripeTime>,
    /// `billing_reason`.
    pub billing_reason: Option<String>,
    /// `attempt_count`, of a failed payment only.
    pub failed_attempt: Option<u32>,
}

/// `status` of an invoice, in the order in which they win over each other (O6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceStatus {
    /// Not final.
    Draft,
    /// To be paid.
    Open,
    /// Given up.
    Uncollectible,
    /// Cancelled.
    Void,
    /// Paid.
    Paid,
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

impl Facts {
    pub(super) fn decode(event_type: &EventType, data: Option<&Node>) -> Self {
        if let EventType::Unhandled(_) = event_type {
            return Self::Nothing;
        }
        let Some(object) = data.and_then(|data| data.field("object")) else {
            return Self::Unreadable {
                object_id: None,
                thin: false,
            };
        };
        let previous = data.and_then(|data| data.field("previous_attributes"));
        Self::of_object(event_type, object, previous).unwrap_or_else(|Odd| Self::Unreadable {
            object_id: object_id(object),
            thin: false,
        })
    }

    fn of_object(
        event_type: &EventType,
        object: &Node,
        previous: Option<&Node>,
    ) -> Result<Self, Odd> {
        let must_be = match event_type {
            EventType::Customer(_) | EventType::CustomerDeleted => "customer",
            EventType::Subscription(_) => "subscription",
            EventType::InvoicePaymentFailed | EventType::Invoice(_) => "invoice",
            EventType::CheckoutCompleted => "checkout.session",
            EventType::Unhandled(_) => return Ok(Self::Nothing),
        };
        if required(string(object, "object")?)? != must_be {
            return Err(Odd);
        }
        Ok(match event_type {
            EventType::Subscription(kind) => {
                Self::Subscription(subscription(*kind, object, previous)?)
            }
            EventType::Invoice(_) => Self::Invoice(invoice(object, false)?),
            EventType::InvoicePaymentFailed => Self::Invoice(invoice(object, true)?),
            EventType::Customer(_) => Self::Customer(customer(object, false)?),
            EventType::CustomerDeleted => Self::Customer(customer(object, true)?),
            EventType::CheckoutCompleted => Self::Checkout,
            EventType::Unhandled(_) => Self::Nothing,
        })
    }

    pub(super) fn implausible(data: Option<&Node>) -> Self {
        let object = data.and_then(|data| data.field("object"));
        Self::Unreadable {
            object_id: object.and_then(object_id),
            thin: false,
        }
    }

    pub(super) fn thin(related: Option<&Node>) -> Self {
        Self::Unreadable {
            object_id: related.and_then(object_id),
            thin: true,
        }
    }
}

/// A field is missing or has another type than Stripe documents.
#[derive(Debug)]
struct Odd;

fn customer(object: &Node, deleted: bool) -> Result<CustomerFacts, Odd> {
    let metadata = object.field("metadata");
    let chosen = metadata
        .map(|metadata| string(metadata, "queue_customer_id"))
        .transpose()?
        .flatten();
    let address = object.field("address");
    let of_address = |name: &str| -> Result<_, Odd> {
        Ok(address
            .map(|address| string(address, name))
            .transpose()?
            .flatten()
            .map(personal))
    };
    Ok(CustomerFacts {
        id: id(string(object, "id")?, StripeCustomerId::parse)?,
        queue_customer_id: chosen.and_then(|chosen| CustomerId::chosen(chosen).ok()),
        deleted,
        personal: PersonalData {
            email: string(object, "email")?.map(personal),
            name: string(object, "name")?.map(personal),
            address_line1: of_address("line1")?,
            address_line2: of_address("line2")?,
            address_city: of_address("city")?,
            address_state: of_address("state")?,
            address_postal_code: of_address("postal_code")?,
            address_country: of_address("country")?,
        },
    })
}

fn personal(text: &str) -> Personal<String> {
    Personal::new(text.to_owned())
}

fn subscription(
    kind: SubscriptionEventKind,
    object: &Node,
    previous: Option<&Node>,
) -> Result<SubscriptionFacts, Odd> {
    Ok(SubscriptionFacts {
        id: id(string(object, "id")?, SubscriptionId::parse)?,
        customer: id(reference(object, "customer")?, StripeCustomerId::parse)?,
        kind,
        post: state_vector(object)?,
        pre: previous
            .map(|previous| state_vector(&object.overlaid_with(previous)))
            .transpose()?,
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

fn invoice(object: &Node, failed: bool) -> Result<InvoiceFacts, Odd> {
    let details = object
        .field("parent")
        .and_then(|parent| parent.field("subscription_details"));
    let subscription = match details
        .map(|details| reference(details, "subscription"))
        .transpose()?
        .flatten()
    {
        Some(subscription) => Some(subscription),
        None => reference(object, "subscription")?,
    };
    let transitions = object.field("status_transitions");
    let transition = |name: &str| -> Result<_, Odd> {
        Ok(transitions
            .map(|transitions| time(transitions, name))
            .transpose()?
            .flatten())
    };
    let attempts = integer(object, "attempt_count")?.unwrap_or(0);
    Ok(InvoiceFacts {
        id: id(string(object, "id")?, InvoiceId::parse)?,
        customer: id(reference(object, "customer")?, StripeCustomerId::parse)?,
        subscription: subscription
            .map(|text| id(Some(text), SubscriptionId::parse))
            .transpose()?,
        status: match required(string(object, "status")?)? {
            "draft" => InvoiceStatus::Draft,
            "open" => InvoiceStatus::Open,
            "uncollectible" => InvoiceStatus::Uncollectible,
            "void" => InvoiceStatus::Void,
            "paid" => InvoiceStatus::Paid,
            _ => return Err(Odd),
        },
        created: time(object, "created")?.ok_or(Odd)?,
        finalized_at: transition("finalized_at")?,
        paid_at: transition("paid_at")?,
        billing_reason: word(object, "billing_reason")?,
        failed_attempt: failed
            .then(|| u32::try_from(attempts).map_err(|_| Odd))
            .transpose()?,
    })
}

fn object_id(object: &Node) -> Option<String> {
    // Any of Stripe's ids passes this check; which kind it is of, nobody needs to know here.
    id(string(object, "id").ok()?, InvoiceId::parse)
        .ok()
        .map(String::from)
}

fn required<T>(value: Option<T>) -> Result<T, Odd> {
    value.ok_or(Odd)
}

fn id<T, E>(text: Option<&str>, parse: impl Fn(String) -> Result<T, E>) -> Result<T, Odd> {
    parse(required(text)?.to_owned()).map_err(|_| Odd)
}

fn string<'a>(node: &'a Node, name: &str) -> Result<Option<&'a str>, Odd> {
    match node.field(name) {
        None => Ok(None),
        Some(Node::Text(text)) => Ok(Some(text)),
        Some(_) => Err(Odd),
    }
}

/// A short word of Stripe's vocabulary.
fn word(node: &Node, name: &str) -> Result<Option<String>, Odd> {
    match string(node, name)? {
        Some(text) if text.len() > MAX_WORD_LENGTH => Err(Odd),
        text => Ok(text.map(str::to_owned)),
    }
}

/// An id, or the `id` of the object in its place.
fn reference<'a>(node: &'a Node, name: &str) -> Result<Option<&'a str>, Odd> {
    match node.field(name) {
        Some(expanded @ Node::Map(_)) => string(expanded, "id"),
        _ => string(node, name),
    }
}

fn integer(node: &Node, name: &str) -> Result<Option<i64>, Odd> {
    match node.field(name) {
        None => Ok(None),
        Some(Node::Int(number)) => Ok(Some(*number)),
        Some(_) => Err(Odd),
    }
}

fn boolean(node: &Node, name: &str) -> Result<bool, Odd> {
    match node.field(name) {
        None => Ok(false),
        Some(Node::Bool(value)) => Ok(*value),
        Some(_) => Err(Odd),
    }
}

fn time(node: &Node, name: &str) -> Result<Option<StripeTime>, Odd> {
    integer(node, name)?
        .map(|seconds| StripeTime::from_seconds(seconds).ok_or(Odd))
        .transpose()
}
