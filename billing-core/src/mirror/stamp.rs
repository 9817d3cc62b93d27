//! Instants as the mirror holds them: microseconds, and text that sorts as they do.

use std::fmt;

use jiff::Timestamp;
use jiff::fmt::StdFmtWrite;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

use crate::time::StripeTime;

const PRINTER: DateTimePrinter = DateTimePrinter::new().separator(b' ').precision(Some(6));

/// An instant in microseconds, whose text is `YYYY-MM-DD HH:MM:SS.ffffff` in UTC and nothing else:
/// of fixed width, so that text sorts as time does (M2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MirrorTime(i64);

impl MirrorTime {
    /// The epoch: older than any version.
    pub(crate) const EPOCH: Self = Self(0);
    const LATEST: Self = Self(StripeTime::LATEST.seconds() * 1_000_000);

    /// An instant of our clock, cut to microseconds; within the years 0 to 9999.
    #[must_use]
    pub fn from_timestamp(timestamp: Timestamp) -> Self {
        Self(
            timestamp
                .as_microsecond()
                .clamp(Self::EPOCH.0, Self::LATEST.0),
        )
    }

    /// The same instant of our clock.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or(Timestamp::MAX)
    }

    /// The next version of a row: now, or just after the previous version if the clock stands
    /// still or went back (M2).
    #[must_use]
    pub fn mint(previous: Option<Self>, now: Timestamp) -> Self {
        let now = Self::from_timestamp(now);
        previous.map_or(now, |previous| {
            now.max(Self(previous.0 + 1).min(Self::LATEST))
        })
    }

    /// The latest version that can come of a clock that is not far wrong. One beyond it was made up, and nothing is
    /// minted above it (M5): there is no version above the end of time.
    #[must_use]
    pub fn horizon(now: Timestamp) -> Self {
        let day = 24 * 60 * 60 * 1_000_000;
        Self((Self::from_timestamp(now).0 + day).min(Self::LATEST.0))
    }

    /// Reads the text form; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let timestamp: Timestamp = format!("{text}Z").parse().ok()?;
        let parsed = Self::from_timestamp(timestamp);
        // Much else parses as some instant, a leap second too: one text for one instant.
        (parsed.to_string() == text).then_some(parsed)
    }
}

impl fmt::Display for MirrorTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Offset::UTC.to_datetime(self.timestamp());
        let printed = PRINTER.print_datetime(&time, StdFmtWrite(formatter));
        printed.map_err(|_| fmt::Error)
    }
}

impl From<StripeTime> for MirrorTime {
    fn from(time: StripeTime) -> Self {
        Self(time.seconds() * 1_000_000)
    }
}

impl TryFrom<String> for MirrorTime {
    type Error = super::MalformedRow;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or(super::MalformedRow {
            column: "timestamp",
        })
    }
}

impl From<MirrorTime> for String {
    fn from(time: MirrorTime) -> Self {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_fixed_and_sorts_as_time() {
        let earlier = MirrorTime(1_799_999_999_999_999);
        let later = MirrorTime::mint(Some(earlier), earlier.timestamp());
        assert_eq!(later.to_string(), "2027-01-15 08:00:00.000000");
        assert!(earlier.to_string() < later.to_string());
        assert_eq!(MirrorTime::parse(&later.to_string()), Some(later));
        let stripes = StripeTime::from_seconds(1_800_000_000).unwrap();
        assert_eq!(MirrorTime::from(stripes), later);
        assert_eq!(String::from(later), later.to_string());
    }

    #[test]
    fn any_other_text_is_refused() {
        for text in [
            "2027-01-15T08:00:00.000000",
            "2027-01-15 08:00:00",
            "2027-01-15 08:00:00.000000Z",
            "2027-01-15 08:00:00.0000000",
            "2027-01-15 08:00:00.000000+00",
            "-000001-01-15 08:00:00.000000",
            "+002027-01-15 08:00:00.000000",
            " 2027-01-15 08:00:00.000000",
            "2027-13-15 08:00:00.000000",
            "2027-01-15 08:00:60.000000",
            "infinity",
            "",
        ] {
            assert_eq!(MirrorTime::parse(text), None, "{text}");
        }
    }

    #[test]
    fn versions_grow_when_the_clock_does_not() {
        let first = MirrorTime(5);
        assert_eq!(
            MirrorTime::mint(Some(first), Timestamp::UNIX_EPOCH),
            MirrorTime(6)
        );
        assert_eq!(MirrorTime::mint(None, Timestamp::UNIX_EPOCH), MirrorTime(0));
        let last = MirrorTime::from_timestamp(Timestamp::MAX);
        assert_eq!(MirrorTime::mint(Some(last), Timestamp::UNIX_EPOCH), last);
    }

    #[test]
    fn the_horizon_is_a_day_ahead_or_the_end_of_time() {
        let horizon = MirrorTime::horizon(Timestamp::UNIX_EPOCH).to_string();
        assert_eq!(horizon, "1970-01-02 00:00:00.000000");
        let last = MirrorTime::from_timestamp(Timestamp::MAX);
        assert_eq!(MirrorTime::horizon(Timestamp::MAX), last);
    }
}
