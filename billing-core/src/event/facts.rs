//! What an event says of the objects that we keep, read from either of Stripe's shapes (E2).
//!
//! A field that is absent stays absent: no missing status is read as active, no missing period
//! end as endless. A field of a known type that has another type than Stripe documents makes the
//! whole event unreadable rather than half read.

mod customer;
mod field;
mod invoice;
mod subscription;
mod terms;

pub use customer::CustomerFacts;
pub use invoice::{InvoiceFacts, InvoiceStatus};
pub use subscription::{
    PauseCollection, PricedItem, StateVector, SubscriptionFacts, SubscriptionStatus,
};
pub use terms::{
    Charge, Coupon, Currency, Interval, InvalidCurrency, Off, Package, Rate, Recurring, Terms,
};

use serde::Serialize;

use super::json::Node;
use super::kind::EventType;
use crate::id::ObjectId;
use customer::customer;
use field::{Odd, id, required, string};
use invoice::invoice;
use subscription::subscription;

/// What an event says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Facts {
    /// Of a customer.
    Customer(CustomerFacts),
    /// Of a subscription.
    Subscription(Box<SubscriptionFacts>),
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

    /// What an object says that Stripe's API showed.
    pub(super) fn of_snapshot(event_type: &EventType, object: &Node) -> Option<Self> {
        Self::of_object(event_type, object, None).ok()
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
                Self::Subscription(Box::new(subscription(*kind, object, previous)?))
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

fn object_id(object: &Node) -> Option<String> {
    id(string(object, "id").ok()?, ObjectId::parse)
        .ok()
        .map(String::from)
}
