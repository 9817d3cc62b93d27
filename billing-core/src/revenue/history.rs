//! What a subscription brought over time.

use std::collections::BTreeMap;

use super::Monthly;
use crate::account::{Contender, Contenders};
use crate::catalogue::{Catalogue, Tier};
use crate::event::{Coupon, Currency, SubscriptionEventKind, SubscriptionStatus, Terms};
use crate::id::{DiscountId, EventId};
use crate::time::StripeTime;

/// What a subscription brought, and from when on: nothing before the first of its steps.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(Vec<Step>);

/// From a second on.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) from: StripeTime,
    /// What it brings; of one that runs and of which that is not known, what it last was known to bring.
    pub(crate) brings: Option<(i64, Currency)>,
    pub(crate) is_known: bool,
    /// None where no tier has any of its prices.
    pub(crate) tier: Option<Tier>,
}

/// What all events of one second told.
pub(crate) type Second = Contenders<Contender<Terms>>;

/// What is known beside what was told.
pub(crate) struct Known<'a> {
    /// When the customer was deleted.
    pub(crate) deleted_at: Option<StripeTime>,
    pub(crate) coupons: &'a BTreeMap<DiscountId, Coupon>,
    pub(crate) catalogue: &'a Catalogue,
}

impl History {
    /// What follows from all that was told of the terms, in whatever order.
    pub(crate) fn of(
        told: impl IntoIterator<Item = (StripeTime, EventId, Contender<Terms>)>,
        known: &Known<'_>,
    ) -> Self {
        let mut seconds: BTreeMap<StripeTime, Second> = BTreeMap::new();
        for (created, event, told) in told {
            seconds.entry(created).or_default().add(event, told);
        }
        let mut history = Self(Vec::with_capacity(seconds.len()));
        if let Some((second, told)) = seconds.iter().next() {
            history.begin(*second, told, known);
        }
        for (second, told) in &seconds {
            // Nothing that is told of this second or a later one reopens it (O5). A look may tell of it long after.
            let ends = told.iter().map(|(_, told)| told);
            let ends = ends.filter(|told| told.is_terminal());
            if let Some(at) = ends.map(|told| told.post.ended_at.unwrap_or(*second)).min() {
                history.ends(at.min(*second));
                break;
            }
            if let Some(settled) = told.settle() {
                history.goes_on(*second, settled.state, known);
            }
        }
        if let Some(deleted_at) = known.deleted_at {
            history.ends(deleted_at);
        }
        history
    }

    /// What it brought just before a second.
    pub(crate) fn before(&self, second: StripeTime) -> Option<&Step> {
        self.0.iter().rev().find(|step| step.from < second)
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// What it charged before anything was told. It may have run for long when it was first heard of, as one that was
    /// imported: then it charged what it did before that event, or else what it did by then, since it was made and its
    /// trial had ended, and until it ended.
    fn begin(&mut self, second: StripeTime, told: &Second, known: &Known<'_>) {
        let is_making = |told: &Contender<Terms>| told.kind == SubscriptionEventKind::Created;
        if told.iter().any(|(_, told)| is_making(told)) {
            return;
        }
        let backwards = backwards(told);
        let Some(start) = backwards.settle().or_else(|| told.settle()) else {
            return;
        };
        let mut terms = start.state.clone();
        if terms.status == SubscriptionStatus::Canceled {
            terms.status = SubscriptionStatus::Active;
        }
        let since = terms
            .since
            .map(|since| terms.trial_end.map_or(since, |it| it.max(since)));
        let until = terms.ended_at.map_or(second, |it| it.min(second));
        if let Some(since) = since.filter(|since| *since < until) {
            self.goes_on(since, &terms, known);
            if until < second {
                self.ends(until);
            }
        }
    }

    fn goes_on(&mut self, from: StripeTime, terms: &Terms, known: &Known<'_>) {
        let prices = terms.charges.iter().map(|charge| &charge.price);
        let tiers = prices.filter_map(|price| known.catalogue.tier_of(price));
        let tier = tiers.max_by_key(|tier| known.catalogue.tiers().rank(tier));
        let monthly = Monthly::of(terms, known.coupons);
        self.0.push(Step {
            from,
            brings: match monthly {
                Monthly::Amount(amount, currency) => Some((amount, currency)),
                Monthly::Nothing => None,
                Monthly::Unknown => self.0.last().and_then(|last| last.brings),
            },
            is_known: monthly != Monthly::Unknown,
            tier: tier.cloned(),
        });
    }

    fn ends(&mut self, at: StripeTime) {
        let last = self.before(at).cloned();
        self.0.retain(|step| step.from < at);
        self.0.extend(last.map(|last| Step {
            from: at,
            brings: None,
            is_known: true,
            ..last
        }));
    }
}

/// The moves of a second the other way: they end where the second began.
fn backwards(second: &Second) -> Second {
    let mut backwards = Second::default();
    for (event, told) in second.iter() {
        if let Some(pre) = &told.pre {
            let move_back = Contender {
                kind: SubscriptionEventKind::Updated,
                post: pre.clone(),
                pre: Some(told.post.clone()),
            };
            backwards.add(event.clone(), move_back);
        }
    }
    backwards
}

impl Contender<Terms> {
    /// Whether it tells of the subscription's end.
    pub(crate) fn is_terminal(&self) -> bool {
        self.kind == SubscriptionEventKind::Deleted || self.post.status.is_terminal()
    }
}
