//! Decoding: from a verified payload to an [`Event`] with the facts that we use (E1–E3).
//!
//! Three things can come out. A body that is no well-formed event object is a [`DecodeError`]
//! (400, no trace). A well-formed event whose object we can't read, or a thin event, becomes an
//! event with [`Facts::Unreadable`], to be quarantined. Everything else is an event with facts.

mod digest;
mod facts;
mod json;
mod kind;
mod shape;
mod snapshot;

pub use digest::FactsDigest;
pub use facts::{
    Charge, Coupon, Currency, CustomerFacts, Facts, Interval, InvalidCurrency, InvoiceFacts,
    InvoiceStatus, Off, Package, PauseCollection, PricedItem, Rate, Recurring, StateVector,
    SubscriptionFacts, SubscriptionStatus, Terms,
};
pub use kind::{EventType, SubscriptionEventKind};
pub use snapshot::{Look, Snapshot};

use json::{Node, Refusal};

use crate::id::EventId;
use crate::signature::VerifiedPayload;
use crate::time::StripeTime;

/// `object` of a thin event, whose other fields have other types than a snapshot event's.
const THIN_EVENT: &str = "v2.core.event";
/// The longest event type that is stored, in bytes.
pub const MAX_TYPE_LENGTH: usize = 255;

/// A well-formed event. Only [`Event::decode`] makes one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// Stripe's id of the event: what duplicates are known by.
    pub id: EventId,
    /// `type`, as received.
    pub event_type: EventType,
    /// When Stripe made it. Thin events, whose time is text, have none.
    pub created: Option<StripeTime>,
    /// `livemode`, where the event says it.
    pub livemode: Option<bool>,
    /// `account`: the connected account it happened in, where it is one.
    pub account: Option<String>,
    /// What it says of the objects that we keep.
    pub facts: Facts,
}

/// Why a body is no event: answered with 400, and nothing is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not UTF-8.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// Not exactly one JSON document.
    #[error("the body is not one JSON document")]
    NotJson,
    /// A key stands twice in one object, so that two parsers could read two meanings.
    #[error("a key stands twice in one object")]
    DuplicateKey,
    /// Nested deeper than 64.
    #[error("the body is nested too deeply")]
    TooDeep,
    /// No id of Stripe's form, no type, or no integer `created`.
    #[error("the body is not an event object")]
    NotAnEvent,
}

impl DecodeError {
    /// A stable name: the label of the metric and the field of the log line.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::NotJson => "not_json",
            Self::DuplicateKey => "duplicate_key",
            Self::TooDeep => "too_deep",
            Self::NotAnEvent => "not_an_event",
        }
    }
}

impl From<Refusal> for DecodeError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotUtf8 => Self::NotUtf8,
            Refusal::NotJson => Self::NotJson,
            Refusal::DuplicateKey => Self::DuplicateKey,
            Refusal::TooDeep => Self::TooDeep,
        }
    }
}

impl Event {
    /// Decodes a verified payload.
    ///
    /// # Errors
    /// [`DecodeError`] when the payload is no well-formed event object.
    pub fn decode(payload: &VerifiedPayload) -> Result<Self, DecodeError> {
        Self::decode_unverified(payload.bytes())
    }

    /// Decodes an event that Stripe's API answered with: nobody signed it, the connection vouches for it. Never for
    /// what somebody sent.
    ///
    /// # Errors
    /// As [`Event::decode`].
    pub fn decode_unverified(answer: &[u8]) -> Result<Self, DecodeError> {
        let node = json::pick(answer, &shape::EVENT)?;
        Self::from_node(&node).ok_or(DecodeError::NotAnEvent)
    }

    fn from_node(node: &Node) -> Option<Self> {
        let id = EventId::parse(text(node, "id")?).ok()?;
        let event_type =
            text(node, "type").filter(|name| (1..=MAX_TYPE_LENGTH).contains(&name.len()))?;
        let event_type = EventType::parse(event_type);
        let livemode = match node.field("livemode") {
            Some(Node::Bool(livemode)) => Some(*livemode),
            _ => None,
        };
        // One that is no text is still another account than any that is configured.
        let account = node.field("account").map(|account| match account {
            Node::Text(account) => account.clone().into_owned(),
            _ => String::new(),
        });
        if text(node, "object") == Some(THIN_EVENT) {
            let facts = Facts::thin(node.field("related_object"));
            return Some(Self {
                id,
                event_type,
                created: None,
                livemode,
                account,
                facts,
            });
        }
        let Some(Node::Int(created)) = node.field("created") else {
            return None;
        };
        let created = StripeTime::from_seconds(*created);
        let facts = match created {
            Some(_) => Facts::decode(&event_type, node.field("data")),
            None => Facts::implausible(node.field("data")),
        };
        Some(Self {
            id,
            event_type,
            created,
            livemode,
            account,
            facts,
        })
    }

    /// The digest of what the event says: its id, type, `created` and facts (C2).
    #[must_use]
    pub fn facts_digest(&self) -> FactsDigest {
        FactsDigest::of(self)
    }
}

fn text<'a>(node: &'a Node, name: &str) -> Option<&'a str> {
    match node.field(name) {
        Some(Node::Text(text)) => Some(text),
        _ => None,
    }
}
