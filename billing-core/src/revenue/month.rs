//! Months of the calendar, in UTC.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::time::StripeTime;

/// A month, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(Date);

impl Month {
    /// The month of an instant.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(at.to_zoned_datetime(TimeZone::UTC).date().first_of_month())
    }

    /// So many months, of which this is the last.
    pub(crate) fn up_to_here(self, months: u32) -> Vec<Self> {
        let back = |months: u32| {
            let span = Span::new().try_months(months).ok()?;
            Some(Self(self.0.checked_sub(span).ok()?))
        };
        (0..months).rev().filter_map(back).collect()
    }

    /// Its first second.
    pub(crate) fn start(self) -> StripeTime {
        let start = self.0.to_zoned_datetime(TimeZone::UTC).ok();
        let seconds = start.map(|start| start.timestamp().as_second());
        seconds
            .and_then(StripeTime::from_seconds)
            .unwrap_or(StripeTime::EARLIEST)
    }
}

/// `2027-01`.
impl fmt::Display for Month {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}
