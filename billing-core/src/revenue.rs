//! Recurring revenue, from what subscriptions charge.
//!
//! Monthly recurring revenue (MRR) is what subscriptions that run bring in a month, as [Stripe defines
//! it](https://docs.stripe.com/billing/subscriptions/analytics/glossary): those that are active or past due, at their
//! prices and quantities, a year's amount by the month; without trials, taxes, usage, and whatever is free. Discounts
//! count that last for ever; what is taken off once, or for some months, is no less recurring revenue.
//!
//! Each subscription's amount is a whole number of minor units of its currency, rounded once, half up; every figure is a
//! sum of such amounts, so that all of them add up. Currencies are never added to each other.
//!
//! What a subscription charged at a time follows from all events that are known, by the time at which Stripe made them:
//! one that comes late still counts in its own month.

mod history;
mod month;
mod monthly;
mod report;

pub(crate) use history::{History, Known, Second};
pub use month::Month;
pub use monthly::Monthly;
pub(crate) use report::Tally;
pub use report::{MonthlyRevenue, Revenue, TierRevenue};
