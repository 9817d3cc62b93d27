//! The one clock of the process.

use jiff::Timestamp;

/// Now. In test builds, by the clock that the test has set (feature `failpoints`).
pub(crate) fn now() -> Timestamp {
    #[cfg(feature = "failpoints")]
    return crate::failpoint::now();
    #[cfg(not(feature = "failpoints"))]
    Timestamp::now()
}
