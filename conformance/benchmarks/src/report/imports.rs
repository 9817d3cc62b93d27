//! Imports of Stripe accounts, as the report has them.

use super::Line;
use crate::reconcile::Import;

/// Calls that a reconcile may make in a second.
const CALLS_PER_SECOND: u32 = 10;

/// A small account beside a large one.
pub(super) fn lines(few: &Import, many: &Import) -> [Line; 2] {
    let growth = many.peak as f64 / few.peak as f64;
    [
        Line {
            what: format!(
                "`queue-server reconcile` of {} subscriptions, killed half-way and resumed: calls per second of the {CALLS_PER_SECOND} that it may make",
                many.subscriptions
            ),
            measured: format!(
                "{:.1}: {} calls in {:.0} s",
                many.rate(),
                many.calls,
                many.took.as_secs_f64()
            ),
            target: "≥ 9",
            reached: many.rate() / 9.0,
        },
        Line {
            what: format!(
                "The most memory of it, beside {} subscriptions",
                few.subscriptions
            ),
            measured: format!(
                "{growth:.2}: {:.0} MB, {:.0} MB",
                many.peak as f64 / 1e6,
                few.peak as f64 / 1e6
            ),
            target: "≤ 1.5",
            reached: 1.5 / growth,
        },
    ]
}
