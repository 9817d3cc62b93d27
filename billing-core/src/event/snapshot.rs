//! An object as Stripe's API showed it at a moment (O4): a pseudo-event that competes like any other.

use jiff::Timestamp;

use super::facts::{Facts, InvoiceStatus};
use super::kind::{EventType, SubscriptionEventKind};
use super::{DecodeError, json, shape, text};
use crate::change::{AccountChange, Said};
use crate::id::{EventId, StripeCustomerId};
use crate::time::StripeTime;
use crate::{hexadecimal, sha256};

static OBJECT: json::Shape = shape::OBJECT;

/// When Stripe's API was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// A second in which the object certainly was as it was shown, or later: the answer's `Date`, less the time that
    /// the call took, less one second.
    pub true_at: StripeTime,
    /// The second in which it was read at the latest: the answer's `Date`.
    pub until: StripeTime,
    /// When the answer came, by our clock; of two of one second the later one is the better guess.
    pub taken_at: Timestamp,
}

/// A customer, a subscription or an invoice as Stripe's API showed it. It says nothing of what came before, and
/// competes as an update of the second of which it is known to be true.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub(crate) change: AccountChange,
}

impl Snapshot {
    /// Reads an answer of Stripe's API.
    ///
    /// # Errors
    /// [`DecodeError`] when it is no such object, or can't be read.
    pub fn decode(answer: &[u8], look: Look) -> Result<Self, DecodeError> {
        let object = json::pick(answer, &OBJECT)?;
        let is = |name| matches!(object.field(name), Some(json::Node::Bool(true)));
        let event_type = match text(&object, "object") {
            // All that is left of it is its id.
            Some("customer") if is("deleted") => {
                let account = text(&object, "id").and_then(|id| StripeCustomerId::parse(id).ok());
                let account = account.ok_or(DecodeError::NotAnEvent)?;
                return Self::gone(account, look).ok_or(DecodeError::NotAnEvent);
            }
            Some("customer") => EventType::Customer("customer.updated".to_owned()),
            Some("subscription") => EventType::Subscription(SubscriptionEventKind::Updated),
            Some("invoice") => EventType::Invoice("invoice.updated".to_owned()),
            _ => return Err(DecodeError::NotAnEvent),
        };
        let facts = Facts::of_snapshot(&event_type, &object).ok_or(DecodeError::NotAnEvent)?;
        Self::of(facts, look.true_at, look)
    }

    /// Reads an invoice of a subscription that is past due or unpaid: one that is open and was attempted has
    /// failed, at the latest when it became final (O4). Else as [`Snapshot::decode`].
    ///
    /// # Errors
    /// As [`Snapshot::decode`].
    pub fn decode_owed(answer: &[u8], look: Look) -> Result<Self, DecodeError> {
        let object = json::pick(answer, &OBJECT)?;
        let attempted = matches!(object.field("attempted"), Some(json::Node::Bool(true)));
        let facts = Facts::of_snapshot(&EventType::InvoicePaymentFailed, &object);
        match facts {
            Some(Facts::Invoice(facts))
                if attempted
                    && facts.status == InvoiceStatus::Open
                    && text(&object, "object") == Some("invoice") =>
            {
                let failed_at = facts.finalized_at.unwrap_or(look.true_at);
                Self::of(Facts::Invoice(facts), failed_at, look)
            }
            _ => Self::decode(answer, look),
        }
    }

    fn of(facts: Facts, created: StripeTime, look: Look) -> Result<Self, DecodeError> {
        let event_id = event_id(&facts, look).ok_or(DecodeError::NotAnEvent)?;
        let (account, said) = match facts {
            Facts::Customer(facts) => (facts.id.clone(), Said::Customer(facts)),
            Facts::Subscription(facts) => (facts.customer.clone(), Said::Subscription(facts)),
            Facts::Invoice(facts) => (facts.customer.clone(), Said::Invoice(facts)),
            Facts::Checkout | Facts::Nothing | Facts::Unreadable { .. } => {
                return Err(DecodeError::NotAnEvent);
            }
        };
        Ok(Self {
            change: AccountChange {
                account,
                event_id,
                created,
                said,
                seen_until: Some(look.until),
            },
        })
    }

    /// The object that it shows.
    #[must_use]
    pub fn object_id(&self) -> &str {
        self.change.object_id()
    }

    fn gone(account: StripeCustomerId, look: Look) -> Option<Self> {
        let (seconds, taken_at) = (
            look.true_at.seconds(),
            look.taken_at.as_microsecond().max(0),
        );
        Some(Self {
            change: AccountChange {
                account,
                event_id: EventId::parse(format!("evt_snapshot_{seconds}_{taken_at:020}_gone"))
                    .ok()?,
                created: look.true_at,
                said: Said::CustomerGone,
                seen_until: Some(look.until),
            },
        })
    }
}

/// Sorts by second, then as they came. What stands in one second is compared by its id and nothing else.
fn event_id(facts: &Facts, look: Look) -> Option<EventId> {
    let facts = serde_json::to_vec(facts).ok()?;
    let digest = hexadecimal::encode(sha256::digest(&[&facts]));
    EventId::parse(format!(
        "evt_snapshot_{}_{:020}_{}",
        look.true_at.seconds(),
        look.taken_at.as_microsecond().max(0),
        digest.get(..16)?
    ))
    .ok()
}
