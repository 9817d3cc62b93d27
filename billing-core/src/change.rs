//! Interpretation: what an event says about our records, or why it says nothing (E1, E3).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{CustomerFacts, Event, Facts, InvoiceFacts, SubscriptionFacts};
#[cfg(feature = "_store")]
use crate::id::{ClaimId, InvalidId, ObjectId};
use crate::id::{CustomerId, EventId, StripeCustomerId};
use crate::policy::Policy;
use crate::time::StripeTime;

/// 2010-01-01: before Stripe took its first charge.
const EARLIEST_SECONDS: i64 = 1_262_304_000;
/// How far ahead of our clock an event may have been made.
const LATEST_AHEAD_SECONDS: i64 = 86_400;

/// What an event asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A change of one account's records.
    Account(Box<AccountChange>),
    /// Nothing: we keep no such objects. Recorded as ignored.
    Nothing,
    /// The event can't be taken as it is: it is set aside for a person or a refresh to look at.
    SetAside(SetAside),
}

/// What one event says of one account.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountChange {
    /// Whose records.
    pub account: StripeCustomerId,
    /// The event that says so.
    pub event_id: EventId,
    /// When Stripe made it.
    pub created: StripeTime,
    /// What it says.
    pub said: Said,
    /// Of a look through Stripe's API: the second in which it was taken at the latest.
    pub seen_until: Option<StripeTime>,
}

/// The facts of an [`AccountChange`].
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// Of the customer.
    Customer(CustomerFacts),
    /// Of a subscription of theirs.
    Subscription(Box<SubscriptionFacts>),
    /// Of an invoice of theirs.
    Invoice(InvoiceFacts),
    /// That the customer is not there any more.
    CustomerGone,
    /// That we made the account for this customer of the seller's (E4).
    Claimed(CustomerId),
}

impl AccountChange {
    /// The object that it is about.
    pub(crate) fn object_id(&self) -> &str {
        match &self.said {
            Said::Customer(_) | Said::CustomerGone | Said::Claimed(_) => self.account.as_str(),
            Said::Subscription(facts) => facts.id.as_str(),
            Said::Invoice(facts) => facts.id.as_str(),
        }
    }

    /// Binds an account to the customer that we made it for. A pseudo-event before all of Stripe's, so that it
    /// wins over whatever their metadata say (E4, O6).
    ///
    /// # Errors
    /// [`InvalidId`] never for ids as [`ClaimId`] takes them.
    #[cfg(feature = "_store")]
    pub(crate) fn claimed(
        account: StripeCustomerId,
        customer: CustomerId,
        claim: &ClaimId,
    ) -> Result<Self, InvalidId> {
        Ok(Self {
            account,
            event_id: EventId::parse(format!("evt_claim_{claim}"))?,
            created: StripeTime::EARLIEST,
            said: Said::Claimed(customer),
            seen_until: None,
        })
    }
}

/// An event set aside: ids and a reason, never its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Why.
    pub reason: QuarantineReason,
    /// The object that the event is about, where it can be read: it wants a refresh.
    pub object_id: Option<String>,
}

/// Why an event was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuarantineReason {
    /// A thin event: it carries no object.
    ThinEvent,
    /// Of the other mode than `STRIPE_LIVEMODE` says.
    WrongLivemode,
    /// Of another account than `STRIPE_ACCOUNT` says.
    WrongAccount,
    /// Made before 2010, or more than a day ahead of our clock.
    ImplausibleTime,
    /// Of a type that we handle, with an object that we can't read.
    Unreadable,
    /// A second event under an id that is already taken, with other facts (C2).
    FactsDiffer,
}

impl QuarantineReason {
    /// The reason as it stands in the store, in logs and in documentation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ThinEvent => "thin_event",
            Self::WrongLivemode => "wrong_livemode",
            Self::WrongAccount => "wrong_account",
            Self::ImplausibleTime => "implausible_time",
            Self::Unreadable => "unreadable",
            Self::FactsDiffer => "facts_differ",
        }
    }
}

impl Change {
    /// Interprets an event. Reasons to set it aside are looked for in the order of
    /// [`QuarantineReason`], before anything that it says is believed.
    #[must_use]
    pub fn from_event(event: &Event, policy: &Policy, now: Timestamp) -> Self {
        let set_aside = |reason| {
            Self::SetAside(SetAside {
                reason,
                object_id: event.facts.object_id(),
            })
        };
        if let Facts::Unreadable { thin: true, .. } = event.facts {
            return set_aside(QuarantineReason::ThinEvent);
        }
        if policy
            .livemode
            .is_some_and(|expected| event.livemode != Some(expected))
        {
            return set_aside(QuarantineReason::WrongLivemode);
        }
        if policy.account.is_some() && event.account.is_some() && policy.account != event.account {
            return set_aside(QuarantineReason::WrongAccount);
        }
        let Some(created) = event.created.filter(|created| is_plausible(*created, now)) else {
            return set_aside(QuarantineReason::ImplausibleTime);
        };
        let (account, said) = match event.facts.clone() {
            Facts::Customer(facts) => (facts.id.clone(), Said::Customer(facts)),
            Facts::Subscription(facts) => (facts.customer.clone(), Said::Subscription(facts)),
            Facts::Invoice(facts) => (facts.customer.clone(), Said::Invoice(facts)),
            Facts::Checkout | Facts::Nothing => return Self::Nothing,
            Facts::Unreadable { .. } => return set_aside(QuarantineReason::Unreadable),
        };
        Self::Account(Box::new(AccountChange {
            account,
            event_id: event.id.clone(),
            created,
            said,
            seen_until: None,
        }))
    }
}

impl Facts {
    /// The id of the object that an event is about, where it can be read.
    #[must_use]
    pub fn object_id(&self) -> Option<String> {
        match self {
            Self::Customer(facts) => Some(facts.id.to_string()),
            Self::Subscription(facts) => Some(facts.id.to_string()),
            Self::Invoice(facts) => Some(facts.id.to_string()),
            Self::Checkout | Self::Nothing => None,
            Self::Unreadable { object_id, .. } => object_id.clone(),
        }
    }
}

impl SetAside {
    /// The object to look at again, instead of the event: one of ours, as far as anybody can tell.
    #[cfg(feature = "_store")]
    pub(crate) fn object(&self) -> Option<ObjectId> {
        match self.reason {
            QuarantineReason::WrongLivemode | QuarantineReason::WrongAccount => None,
            _ => ObjectId::parse(self.object_id.as_deref()?).ok(),
        }
    }
}

fn is_plausible(created: StripeTime, now: Timestamp) -> bool {
    (EARLIEST_SECONDS..=now.as_second() + LATEST_AHEAD_SECONDS).contains(&created.seconds())
}
