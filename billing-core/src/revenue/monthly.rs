//! What a subscription brings in a month.

use std::collections::BTreeMap;

use num_rational::Ratio;
use num_traits::{CheckedAdd, CheckedMul, CheckedSub, Zero};

use crate::event::{Charge, Coupon, Currency, Interval, Off, Package, Rate, Terms};
use crate::id::DiscountId;

/// What a subscription brings in a month, in one state of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Monthly {
    /// Nothing: it does not run, is on trial, or is free.
    Nothing,
    /// So many minor units.
    Amount(i64, Currency),
    /// It runs, and what it charges, or what is taken off, is not known.
    Unknown,
}

/// An amount of minor units, or a share of one.
type Exact = Ratio<i128>;

impl Monthly {
    /// What these terms bring.
    #[must_use]
    pub fn of(terms: &Terms, coupons: &BTreeMap<DiscountId, Coupon>) -> Self {
        let recurs = |charge: &Charge| charge.rate != Rate::Metered;
        if !terms.status.charges() || !terms.charges.iter().any(recurs) {
            return Self::Nothing;
        }
        let bill = Bill { terms, coupons };
        match bill.monthly() {
            Some((0, _)) => Self::Nothing,
            Some((amount, currency)) => Self::Amount(amount, currency),
            None => Self::Unknown,
        }
    }
}

struct Bill<'a> {
    terms: &'a Terms,
    coupons: &'a BTreeMap<DiscountId, Coupon>,
}

impl Bill<'_> {
    fn monthly(&self) -> Option<(i64, Currency)> {
        let mut total = Exact::zero();
        let mut currency = self.terms.currency;
        // How often the whole is billed: as often as what is billed most often.
        let mut times = Exact::zero();
        for charge in &self.terms.charges {
            let recurring = match &charge.rate {
                Rate::Metered => continue,
                Rate::Recurring(recurring) => recurring,
                Rate::Unknown => return None,
            };
            let currency = *currency.get_or_insert(recurring.currency);
            if currency != recurring.currency {
                return None;
            }
            let units = packages(charge.quantity.unwrap_or(1), recurring.package)?;
            let amount = decimal(&recurring.unit_amount)?.checked_mul(&units)?;
            let amount = self.reduced(amount, &charge.discounts, currency, Exact::from(1))?;
            let a_month = times_a_month(recurring.interval, recurring.interval_count)?;
            times = times.max(a_month);
            total = total.checked_add(&amount.checked_mul(&a_month)?)?;
        }
        let currency = currency?;
        if !total.is_zero() {
            total = self.reduced(total, &self.terms.discounts, currency, times)?;
        }
        let half_up = total.max(Exact::zero()).checked_add(&Ratio::new(1, 2))?;
        Some((i64::try_from(half_up.floor().to_integer()).ok()?, currency))
    }

    /// What is left of an amount. What is taken off as an amount is taken off so many times.
    fn reduced(
        &self,
        amount: Exact,
        discounts: &[DiscountId],
        currency: Currency,
        times: Exact,
    ) -> Option<Exact> {
        let mut left = amount;
        for discount in discounts {
            let coupon = self.coupons.get(discount)?;
            if !coupon.forever {
                continue;
            }
            let off = match coupon.off {
                Off::Millionths(millionths) => {
                    left.checked_mul(&Ratio::new(millionths.into(), 1_000_000))?
                }
                Off::Amount(amount, of) if of == currency => {
                    times.checked_mul(&Exact::from(i128::from(amount)))?
                }
                Off::Amount(..) => return None,
            };
            left = left.checked_sub(&off)?.max(Exact::zero());
        }
        Some(left)
    }
}

fn packages(quantity: i64, package: Option<Package>) -> Option<Exact> {
    let quantity = Exact::from(i128::from(quantity));
    match package {
        None => Some(quantity),
        Some(Package { units: ..1, .. }) => None,
        Some(Package { units, round_up }) => {
            let packages = quantity / i128::from(units);
            Some(if round_up {
                packages.ceil()
            } else {
                packages.floor()
            })
        }
    }
}

/// A year has 12 months, 52 weeks and 365 days.
fn times_a_month(interval: Interval, count: i64) -> Option<Exact> {
    let (times, months) = match interval {
        Interval::Day => (365, 12),
        Interval::Week => (52, 12),
        Interval::Month => (1, 1),
        Interval::Year => (1, 12),
    };
    (count > 0).then(|| Ratio::new(times, months * i128::from(count)))
}

/// Reads a decimal number.
fn decimal(text: &str) -> Option<Exact> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}").parse().ok()?;
    let places = u32::try_from(fraction.len()).ok()?;
    Some(Ratio::new(digits, 10_i128.checked_pow(places)?))
}
