//! Since when features above the tier are locked (A5).

use super::subscription::{PriceChange, Subscription};
use super::walk::{End, Walk};
use crate::catalogue::Catalogue;
use crate::id::{EventId, PriceId};
use crate::time::StripeTime;

/// Whether the last change of price was a downgrade, and when.
pub(super) struct FeatureLock {
    pub(super) locked_at: Option<StripeTime>,
    pub(super) in_doubt: bool,
}

/// Judges the last change of price by today's catalogue.
pub(super) fn of(record: &Subscription, prices: &[PriceId], catalogue: &Catalogue) -> FeatureLock {
    let open = FeatureLock {
        locked_at: None,
        in_doubt: record.price_changes.overflowed(),
    };
    let Some(changed_at) = record.price_changed_at else {
        return open;
    };
    let Some(last) = last_change(record, prices) else {
        return open;
    };
    let rank = |prices: &[PriceId]| catalogue.tiers().rank(catalogue.highest_tier(prices));
    if last.to == prices {
        let locked_at = (rank(&last.to) < rank(&last.from)).then_some(changed_at);
        return FeatureLock { locked_at, ..open };
    }
    // No change ends at the current prices: one was missed, at the stamp at the latest.
    let locked_at = (rank(prices) < rank(&last.to)).then_some(record.stamp);
    FeatureLock {
        locked_at,
        in_doubt: true,
    }
}

/// The last change of its second: one that ends at the current prices and can come last. Where
/// none can, the best guess; ties go to the greatest event id.
fn last_change<'a>(record: &'a Subscription, prices: &[PriceId]) -> Option<&'a PriceChange> {
    let changes: Vec<_> = record.price_changes.iter().collect();
    let ends_here = |(_, change): &&(&EventId, &'a PriceChange)| change.to == prices;
    let can_come_last = |last: &&(&EventId, &'a PriceChange)| {
        let rest = changes.iter().filter(|(event, _)| *event != last.0);
        let walk = Walk::of(rest.map(|(_, change)| (&change.from, &change.to)));
        match walk.end_if_connected() {
            End::At(end) => *end == last.1.from,
            End::Closed => changes.len() == 1 || walk.touches(&last.1.from),
            End::Undecided => false,
        }
    };
    let from_the_end = || changes.iter().rev();
    from_the_end()
        .filter(ends_here)
        .find(can_come_last)
        .or_else(|| from_the_end().find(ends_here))
        .or_else(|| from_the_end().next())
        .map(|(_, change)| *change)
}
