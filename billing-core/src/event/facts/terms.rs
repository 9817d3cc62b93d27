//! What a subscription charges. Revenue follows from it, and no access: a price that can't be read is a price that is not
//! known, never a reason to refuse the event.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::field::{integer, reference, string, time};
use super::subscription::SubscriptionStatus;
use crate::event::json::Node;
use crate::id::{DiscountId, PriceId};
use crate::time::StripeTime;

/// The longest `unit_amount_decimal` that is kept: Stripe has at most twelve decimal places.
const MAX_DECIMAL_LENGTH: usize = 32;

/// What a subscription charges, again and again, in one state of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Terms {
    /// `status`: whether it charges at all.
    pub status: SubscriptionStatus,
    /// `created`: when it was made.
    pub since: Option<StripeTime>,
    /// `trial_end`: when its trial ends, or ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_end: Option<StripeTime>,
    /// `ended_at`: when it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<StripeTime>,
    /// `currency`.
    pub currency: Option<Currency>,
    /// What is charged for each item, sorted.
    pub charges: Vec<Charge>,
    /// What is taken off all of them, in Stripe's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discounts: Vec<DiscountId>,
}

/// What is charged for an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Charge {
    /// `price.id`.
    pub price: PriceId,
    /// `quantity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
    /// At which rate.
    pub rate: Rate,
    /// What is taken off this item alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discounts: Vec<DiscountId>,
}

/// The rate of a price.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// By what was used: nothing recurs.
    Metered,
    /// The same again and again.
    Recurring(Recurring),
    /// In tiers, or otherwise not told with the price.
    Unknown,
}

/// An amount that recurs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Recurring {
    /// Of one unit, in minor units of the currency: a decimal number, as `unit_amount_decimal`.
    pub unit_amount: String,
    /// `currency` of the price.
    pub currency: Currency,
    /// `recurring.interval`.
    pub interval: Interval,
    /// `recurring.interval_count`.
    pub interval_count: i64,
    /// `transform_quantity`: units that are sold by the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
}

/// How many units make one that is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Package {
    /// `divide_by`.
    pub units: i64,
    /// Whether a package that was begun counts whole.
    pub round_up: bool,
}

/// `recurring.interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// A day.
    Day,
    /// A week.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

/// An ISO 4217 code in lower case, as Stripe writes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// Text that is no currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a currency: three lower-case letters are expected")]
pub struct InvalidCurrency;

impl Currency {
    /// Takes a code.
    ///
    /// # Errors
    /// [`InvalidCurrency`] for anything but three lower-case letters.
    pub fn parse(code: &str) -> Result<Self, InvalidCurrency> {
        let code: [u8; 3] = code.as_bytes().try_into().map_err(|_| InvalidCurrency)?;
        let valid = code.iter().all(u8::is_ascii_lowercase);
        valid.then_some(Self(code)).ok_or(InvalidCurrency)
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidCurrency;

    fn try_from(code: String) -> Result<Self, InvalidCurrency> {
        Self::parse(&code)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

/// What a discount takes off. Nothing of a coupon changes once it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Coupon {
    /// Whether it does so for as long as the subscription runs; not once, or for some months.
    pub forever: bool,
    /// How much.
    pub off: Off,
}

/// How much a coupon takes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Off {
    /// `percent_off`, in millionths of the whole.
    Millionths(i64),
    /// `amount_off`, in minor units.
    Amount(i64, Currency),
}

impl Terms {
    /// What a subscription charges that is in this state.
    pub(super) fn of(object: &Node, status: SubscriptionStatus) -> Self {
        let mut charges: Vec<Charge> = items(object).iter().filter_map(Charge::of).collect();
        charges.sort();
        Self {
            status,
            since: time(object, "created").ok().flatten(),
            trial_end: time(object, "trial_end").ok().flatten(),
            ended_at: time(object, "ended_at").ok().flatten(),
            currency: currency(object),
            charges,
            discounts: discount_ids(object),
        }
    }

    /// All discounts, on whatever they are.
    #[cfg(feature = "_store")]
    pub(crate) fn all_discounts(&self) -> impl Iterator<Item = &DiscountId> {
        let on_items = self.charges.iter().flat_map(|charge| &charge.discounts);
        self.discounts.iter().chain(on_items)
    }
}

impl Charge {
    fn of(item: &Node) -> Option<Self> {
        let price = reference(item, "price").ok()??;
        Some(Self {
            price: PriceId::parse(price).ok()?,
            quantity: integer(item, "quantity").ok().flatten(),
            rate: item.field("price").map_or(Rate::Unknown, Rate::of),
            discounts: discount_ids(item),
        })
    }
}

impl Rate {
    fn of(price: &Node) -> Self {
        let recurring = price.field("recurring");
        let is_metered = recurring.is_some_and(|it| text(it, "usage_type") == Some("metered"));
        if is_metered {
            return Self::Metered;
        }
        let rate = recurring.and_then(|recurring| Recurring::of(price, recurring));
        rate.map_or(Self::Unknown, Self::Recurring)
    }
}

impl Recurring {
    fn of(price: &Node, recurring: &Node) -> Option<Self> {
        let whole = || Some(integer(price, "unit_amount").ok()??.to_string());
        let decimal = text(price, "unit_amount_decimal").filter(|it| is_decimal(it));
        Some(Self {
            unit_amount: decimal.map(str::to_owned).or_else(whole)?,
            currency: currency(price)?,
            interval: match text(recurring, "interval")? {
                "day" => Interval::Day,
                "week" => Interval::Week,
                "month" => Interval::Month,
                "year" => Interval::Year,
                _ => return None,
            },
            interval_count: integer(recurring, "interval_count").ok()??,
            package: match price.field("transform_quantity") {
                None => None,
                Some(transform) => Some(Package {
                    units: integer(transform, "divide_by").ok()??,
                    round_up: text(transform, "round")? == "up",
                }),
            },
        })
    }
}

impl Coupon {
    /// The coupons of all discounts that are shown whole.
    pub(super) fn shown_in(subscription: &Node) -> BTreeMap<DiscountId, Self> {
        let items = items(subscription).iter();
        discounts(subscription)
            .chain(items.flat_map(discounts))
            .filter_map(|discount| Some((discount_id(discount)?, Self::of(discount)?)))
            .collect()
    }

    fn of(discount: &Node) -> Option<Self> {
        let elsewhere = || discount.field("source")?.field("coupon");
        let coupon = discount.field("coupon").or_else(elsewhere)?;
        let off = match coupon.field("percent_off") {
            Some(percent) => Off::Millionths(millionths(percent)?),
            None => {
                let amount = integer(coupon, "amount_off").ok()??;
                Off::Amount(amount, currency(coupon)?)
            }
        };
        Some(Self {
            forever: text(coupon, "duration")? == "forever",
            off,
        })
    }
}

fn items<'a>(object: &'a Node) -> &'a [Node<'a>] {
    match object.field("items").and_then(|items| items.field("data")) {
        Some(Node::List(items)) => items,
        _ => &[],
    }
}

/// The discounts of a subscription or an item: in a list, and one alone as Stripe had it first.
fn discounts<'a>(object: &'a Node) -> impl Iterator<Item = &'a Node<'a>> {
    let list = match object.field("discounts") {
        Some(Node::List(list)) => list.as_slice(),
        _ => &[],
    };
    list.iter().chain(object.field("discount"))
}

/// Each of them once.
fn discount_ids(object: &Node) -> Vec<DiscountId> {
    let mut ids = Vec::new();
    for id in discounts(object).filter_map(discount_id) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

fn discount_id(discount: &Node) -> Option<DiscountId> {
    let id = match discount {
        Node::Text(id) => id,
        _ => text(discount, "id")?,
    };
    DiscountId::parse(id).ok()
}

fn currency(object: &Node) -> Option<Currency> {
    Currency::parse(text(object, "currency")?).ok()
}

fn text<'a>(node: &'a Node, name: &str) -> Option<&'a str> {
    string(node, name).ok().flatten()
}

fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= MAX_DECIMAL_LENGTH && digits(whole) && digits(fraction)
}

/// A percentage in millionths: Stripe has at most four decimal places.
fn millionths(percent: &Node) -> Option<i64> {
    match percent {
        Node::Int(percent) => percent.checked_mul(10_000),
        #[expect(clippy::cast_possible_truncation, reason = "between 0 and a million")]
        Node::Real(percent) if (0.0..=100.0).contains(percent) => {
            Some((percent * 10_000.0).round() as i64)
        }
        _ => None,
    }
    .filter(|millionths| (0..=1_000_000).contains(millionths))
}
