//! A subscription's record: its stamp, the contenders for it, and the registers (O2, O5, O6).

mod settle;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use settle::Settled;

use super::contenders::Contenders;
use crate::event::{
    Coupon, StateVector, SubscriptionEventKind, SubscriptionFacts, SubscriptionStatus,
};
use crate::id::{DiscountId, EventId, PriceId};
use crate::time::StripeTime;

/// What is kept of one subscription. A function of the set of events seen, whatever their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// Whether the winning key is terminal (O2): then nothing that is not can win any more.
    pub terminal: bool,
    /// `created` of the winning key.
    pub stamp: StripeTime,
    /// The events with the winning key.
    pub contenders: Contenders<Contender>,
    /// The latest event that showed it active or trialing.
    pub active_at: Option<StripeTime>,
    /// The latest event that moved it into past_due.
    pub past_due_since: Option<StripeTime>,
    /// The latest second in which its prices changed.
    pub price_changed_at: Option<StripeTime>,
    /// The changes of that second.
    pub price_changes: Contenders<PriceChange>,
    /// The second in which the latest look through Stripe's API was taken at the latest (O4): an event that is no later
    /// may be older than what was seen.
    pub seen_until: Option<StripeTime>,
    /// The coupons of its discounts, as far as they were shown.
    pub coupons: BTreeMap<DiscountId, Coupon>,
}

/// What is kept of an event that competes: free of personal data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contender<V = StateVector> {
    /// What kind of event.
    pub kind: SubscriptionEventKind,
    /// The state that it shows.
    pub post: V,
    /// The state before, where it has `previous_attributes`.
    pub pre: Option<V>,
}

/// A move from some prices to others. Prices, never tiers: the catalogue may change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PriceChange {
    /// Sorted prices before.
    pub from: Vec<PriceId>,
    /// Sorted prices after.
    pub to: Vec<PriceId>,
}

impl StateVector {
    /// The prices, sorted.
    #[must_use]
    pub fn prices(&self) -> Vec<PriceId> {
        self.items.iter().map(|item| item.price.clone()).collect()
    }
}

impl Subscription {
    /// The record after its first event.
    #[must_use]
    pub fn first(event: EventId, created: StripeTime, facts: &SubscriptionFacts) -> Self {
        let mut record = Self {
            terminal: facts.is_terminal(),
            stamp: created,
            contenders: Contenders::default(),
            active_at: None,
            past_due_since: None,
            price_changed_at: None,
            price_changes: Contenders::default(),
            seen_until: None,
            coupons: BTreeMap::new(),
        };
        record.take(event, created, facts);
        record
    }

    /// Takes an event of any age: the registers always, the stamp's place if its key is not less.
    pub fn take(&mut self, event: EventId, created: StripeTime, facts: &SubscriptionFacts) {
        self.feed_registers(&event, created, facts);
        self.take_coupons(facts);
        let key = (facts.is_terminal(), created);
        if key < (self.terminal, self.stamp) {
            return;
        }
        if key > (self.terminal, self.stamp) {
            (self.terminal, self.stamp) = key;
            self.contenders.clear();
        }
        let contender = Contender {
            kind: facts.kind,
            post: facts.post.clone(),
            pre: facts.pre.clone(),
        };
        self.contenders.add(event, contender);
    }

    /// Sees to it that what follows from the contenders is so, whatever somebody wrote there by hand.
    #[cfg(feature = "_store")]
    pub(crate) fn mend(&mut self) {
        let mut contenders = self.contenders.iter().peekable();
        if contenders.peek().is_some() {
            self.terminal = contenders.any(|(_, contender)| contender.is_terminal());
        }
    }

    /// Notes a look through Stripe's API.
    pub(crate) fn was_seen(&mut self, until: StripeTime) {
        self.seen_until = self.seen_until.max(Some(until));
    }

    /// Whether the record adds up to this state, for sure, by events that are older.
    #[cfg(feature = "_store")]
    pub(crate) fn shows(&self, state: &StateVector, at: StripeTime) -> bool {
        let settled = self.settle();
        self.stamp < at && settled.is_some_and(|it| !it.in_doubt && it.state == state)
    }

    /// Whether a look at this state competes in this very second already.
    #[cfg(feature = "_store")]
    pub(crate) fn has_seen(&self, state: &StateVector, at: StripeTime) -> bool {
        let same = |contender: &Contender| {
            contender.kind == SubscriptionEventKind::Updated
                && contender.pre.is_none()
                && contender.post == *state
        };
        self.stamp == at && self.contenders.iter().any(|(_, contender)| same(contender))
    }

    /// Whether an event of this second won though it may be older than what was seen, so that only another look can
    /// tell (O4).
    #[cfg(feature = "_store")]
    pub(crate) fn may_be_older_than_seen(&self, created: StripeTime) -> bool {
        self.stamp == created && self.was_seen_since(created)
    }

    /// Whether a look may have been taken in this second or later, and can still be wrong.
    #[cfg(feature = "_store")]
    pub(crate) fn was_seen_since(&self, created: StripeTime) -> bool {
        !self.terminal && Some(created) <= self.seen_until
    }

    /// Whether a look that counts for this second answers all that was in doubt (O4).
    #[cfg(feature = "_store")]
    pub(crate) fn is_answered_by(&self, at: StripeTime) -> bool {
        let not_behind = self.terminal || self.stamp <= at;
        not_behind && self.settle().is_some_and(|settled| !settled.in_doubt)
    }

    /// Takes the coupons that an event of any age shows.
    pub(crate) fn take_coupons(&mut self, facts: &SubscriptionFacts) {
        for (discount, coupon) in &facts.coupons {
            let known = self.coupons.entry(discount.clone()).or_insert(*coupon);
            *known = (*known).max(*coupon);
        }
    }

    /// Whether of a discount that an event tells of is not known what it takes off.
    #[cfg(feature = "_store")]
    pub(crate) fn lacks_a_coupon_of(&self, facts: &SubscriptionFacts) -> bool {
        let told = facts.terms_before.iter().chain([&facts.terms]);
        let mut discounts = told.flat_map(|terms| terms.all_discounts());
        discounts.any(|discount| !self.coupons.contains_key(discount))
    }

    /// Registers that are order-free by construction: each a maximum over events (O6).
    fn feed_registers(&mut self, event: &EventId, created: StripeTime, facts: &SubscriptionFacts) {
        let SubscriptionFacts { post, pre, .. } = facts;
        if matches!(
            post.status,
            SubscriptionStatus::Active | SubscriptionStatus::Trialing
        ) {
            self.active_at = self.active_at.max(Some(created));
        }
        let Some(pre) = pre else { return };
        if pre.status != SubscriptionStatus::PastDue && post.status == SubscriptionStatus::PastDue {
            self.past_due_since = self.past_due_since.max(Some(created));
        }
        let change = PriceChange {
            from: pre.prices(),
            to: post.prices(),
        };
        if change.from != change.to && self.price_changed_at <= Some(created) {
            if self.price_changed_at < Some(created) {
                self.price_changed_at = Some(created);
                self.price_changes.clear();
            }
            self.price_changes.add(event.clone(), change);
        }
    }
}

#[cfg(feature = "_store")]
impl Contender {
    fn is_terminal(&self) -> bool {
        self.kind == SubscriptionEventKind::Deleted || self.post.status.is_terminal()
    }
}

impl SubscriptionFacts {
    fn is_terminal(&self) -> bool {
        self.kind == SubscriptionEventKind::Deleted || self.post.status.is_terminal()
    }
}
