//! Revenue by tier and currency now, and what moved it month by month.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{History, Month};
use crate::catalogue::Tier;
use crate::event::Currency;
use crate::time::StripeTime;

/// Recurring revenue. Amounts are whole minor units of their currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revenue {
    /// What subscriptions bring in a month now.
    pub mrr: Vec<TierRevenue>,
    /// How that came about, the oldest month first; each month with all currencies in which anything was ever paid.
    pub months: Vec<MonthlyRevenue>,
    /// How many subscriptions run of which is not known what they bring: they count as what they last were known to
    /// bring, if ever.
    pub unknown: u64,
}

/// What the subscriptions of one tier bring in a month, in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierRevenue {
    /// The tier; none of those at prices that no tier has.
    pub plan_tier: Option<Tier>,
    /// The currency.
    pub currency: Currency,
    /// What they bring.
    pub mrr: i64,
    /// How many there are.
    pub subscriptions: u64,
}

/// What moved the revenue in one currency in a month: customers are compared as they were at its start and at its end.
/// `start + new + reactivated + expansion - contraction - churned = end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthlyRevenue {
    /// Which month.
    pub month: Month,
    /// In which currency.
    pub currency: Currency,
    /// What came in a month at its start.
    pub start: i64,
    /// Of customers who had never paid before.
    pub new: i64,
    /// Of those who had paid before, and did not at the start.
    pub reactivated: i64,
    /// By how much those paid more who paid at both ends.
    pub expansion: i64,
    /// By how much those paid less.
    pub contraction: i64,
    /// Of those who no longer paid at the end.
    pub churned: i64,
    /// At its end, or now.
    pub end: i64,
}

/// Adds up customers.
pub(crate) struct Tally {
    months: Vec<Month>,
    /// The first second of each month, and the one after now.
    ends: Vec<StripeTime>,
    mrr: BTreeMap<(Option<Tier>, Currency), (i64, u64)>,
    moves: BTreeMap<(Month, Currency), MonthlyRevenue>,
    unknown: u64,
}

impl Tally {
    /// Of so many months, with that of `now`.
    pub(crate) fn new(now: Timestamp, months: u32) -> Self {
        let months = Month::of(now).up_to_here(months);
        let after_now = StripeTime::from_seconds(now.as_second() + 1);
        let starts = months.iter().map(|month| month.start());
        Self {
            ends: starts
                .chain([after_now.unwrap_or(StripeTime::LATEST)])
                .collect(),
            months,
            mrr: BTreeMap::new(),
            moves: BTreeMap::new(),
            unknown: 0,
        }
    }

    /// Adds all subscriptions of one customer.
    pub(crate) fn add(&mut self, subscriptions: &[History]) {
        let now = self.ends[self.ends.len() - 1];
        for step in subscriptions.iter().filter_map(|it| it.before(now)) {
            self.unknown += u64::from(!step.is_known);
            if let Some((amount, currency)) = step.brings {
                let sum = self.mrr.entry((step.tier.clone(), currency)).or_default();
                *sum = (sum.0.saturating_add(amount), sum.1 + 1);
            }
        }
        for (currency, first) in first_payments(subscriptions) {
            let at = |second| sum_before(subscriptions, currency, second);
            let mut start = at(self.ends[0]);
            for (index, month) in self.months.iter().enumerate() {
                let end = at(self.ends[index + 1]);
                let moves = self
                    .moves
                    .entry((*month, currency))
                    .or_insert_with(|| MonthlyRevenue::none(*month, currency));
                moves.add(start, end, first < self.ends[index]);
                start = end;
            }
        }
    }

    /// Adds a subscription that runs and of which nothing was told.
    pub(crate) fn add_unknown(&mut self) {
        self.unknown += 1;
    }

    /// What it comes to.
    pub(crate) fn report(self) -> Revenue {
        let rows = self.mrr.into_iter();
        let of_tier = |((plan_tier, currency), (mrr, subscriptions))| TierRevenue {
            plan_tier,
            currency,
            mrr,
            subscriptions,
        };
        Revenue {
            mrr: rows.map(of_tier).collect(),
            months: self.moves.into_values().collect(),
            unknown: self.unknown,
        }
    }
}

impl MonthlyRevenue {
    fn none(month: Month, currency: Currency) -> Self {
        Self {
            month,
            currency,
            start: 0,
            new: 0,
            reactivated: 0,
            expansion: 0,
            contraction: 0,
            churned: 0,
            end: 0,
        }
    }

    /// Adds a customer who paid this at its start, and this at its end.
    fn add(&mut self, start: i64, end: i64, paid_before: bool) {
        let (moved, by) = match (start, end) {
            (0, end) if paid_before => (&mut self.reactivated, end),
            (0, end) => (&mut self.new, end),
            (start, 0) => (&mut self.churned, start),
            (start, end) if end > start => (&mut self.expansion, end - start),
            (start, end) => (&mut self.contraction, start - end),
        };
        *moved = moved.saturating_add(by);
        self.start = self.start.saturating_add(start);
        self.end = self.end.saturating_add(end);
    }
}

/// The currencies in which a customer ever paid, and since when.
fn first_payments(subscriptions: &[History]) -> BTreeMap<Currency, StripeTime> {
    let mut firsts = BTreeMap::new();
    for step in subscriptions.iter().flat_map(History::steps) {
        if let Some((_, currency)) = step.brings {
            let first = firsts.entry(currency).or_insert(step.from);
            *first = step.from.min(*first);
        }
    }
    firsts
}

/// What a customer paid a month in a currency, just before a second.
fn sum_before(subscriptions: &[History], currency: Currency, second: StripeTime) -> i64 {
    let steps = subscriptions.iter().filter_map(|it| it.before(second));
    steps
        .filter_map(|step| step.brings)
        .filter(|(_, of)| *of == currency)
        .map(|(amount, _)| amount)
        .fold(0, i64::saturating_add)
}
