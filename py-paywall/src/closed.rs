//! What becomes of a panic: an answer that keeps the gate closed (P2).

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs something; if it panics, the answer is another one. The panic hook has told where.
pub(crate) fn or_else<T>(run: impl FnOnce() -> T, closed: impl FnOnce() -> T) -> T {
    // Nothing that was left half done is looked at after a panic.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_panic| closed())
}

/// Panics at this point if a test asks for it.
#[cfg(feature = "failpoints")]
#[expect(clippy::panic, reason = "what it is for")]
pub(crate) fn reach(point: &str) {
    if std::env::var("PY_PAYWALL_PANIC_AT").is_ok_and(|wanted| wanted == point) {
        panic!("a test wants a panic at {point}");
    }
}

#[cfg(not(feature = "failpoints"))]
pub(crate) fn reach(_point: &str) {}
