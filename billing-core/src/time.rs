//! Two clocks that are never mixed: Stripe's, in whole seconds, and ours, in microseconds.
//!
//! Stripe stamps its objects and events by its own clock: [`StripeTime`]. Our instants (`now`,
//! `updated_at`) are [`jiff::Timestamp`]s. The types differ so that no comparison of the two
//! compiles by accident; the single meeting point is [`StripeTime::has_come`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const SECONDS_PER_DAY: i64 = 86_400;
/// 9999-12-30, the last whole day that [`Timestamp`] holds.
const LATEST_SECONDS: i64 = 253_402_128_000;

/// An instant of Stripe's clock: whole seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StripeTime(i64);

impl StripeTime {
    /// The first instant that is accepted: before all of Stripe's.
    #[cfg(feature = "_store")]
    pub(crate) const EARLIEST: Self = Self(0);
    /// The last instant that is accepted.
    pub(crate) const LATEST: Self = Self(LATEST_SECONDS);

    /// Takes seconds since 1970; `None` when negative or beyond the year 9999.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        (0..=LATEST_SECONDS)
            .contains(&seconds)
            .then_some(Self(seconds))
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// This instant some days later, at most the year 9999.
    #[must_use]
    pub fn plus_days(self, days: u32) -> Self {
        Self((self.0 + i64::from(days) * SECONDS_PER_DAY).min(LATEST_SECONDS))
    }

    /// Whether our clock has reached this instant.
    #[must_use]
    pub fn has_come(self, now: Timestamp) -> bool {
        self.0 <= now.as_second()
    }

    /// This instant as one of our clock's.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_second(self.0).unwrap_or(Timestamp::MAX)
    }
}
