//! The one clock of the process.

use jiff::Timestamp;

/// Now. In test builds, by the clock that the test has set (feature `failpoints`).
pub(crate) fn now() -> Timestamp {
    #[cfg(feature = "failpoints")]
    return Timestamp::now() + crate::failpoint::clock_offset();
    #[cfg(not(feature = "failpoints"))]
    Timestamp::now()
}
