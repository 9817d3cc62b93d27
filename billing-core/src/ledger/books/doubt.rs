//! What is to be looked at again through Stripe's API, and what a look answers (O4).

use jiff::{SignedDuration, Timestamp};

use super::Books;
use crate::change::{AccountChange, Said};
use crate::event::SubscriptionStatus;
use crate::id::ObjectId;
use crate::ledger::Outcome;
use crate::mirror::MirrorTime;
use crate::store::{RefreshRow, SubscriptionRow};

/// How long after a second the first look is taken that certainly counts for a later one: an answer counts from up to
/// two seconds before it.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(4);

impl Books<'_> {
    /// Takes what Stripe's API showed, and says whether anything that is stored changed.
    pub(super) fn refresh(
        &mut self,
        changes: &[&AccountChange],
        mark: Option<&RefreshRow>,
        now: Timestamp,
    ) -> Outcome {
        let mut changed = false;
        let mut looks = Vec::with_capacity(changes.len());
        for change in changes {
            let overlaps = self.overlaps_another_look(change);
            let is_news = self.is_news(change);
            changed |= if is_news {
                self.apply(change, "refresh", now)
            } else {
                self.note_look(change, now)
            };
            looks.push((change, overlaps, is_news));
        }
        let marked = mark.map(|mark| &mark.object_id);
        let mut answered = true;
        for (change, overlaps, is_news) in looks {
            let is_marked = marked.is_some_and(|id| id.as_str() == change.object_id());
            if is_marked {
                answered = !overlaps && self.is_answered(change);
            } else if (overlaps && is_news) || self.is_contradicted(change) {
                self.mark_subscription(change.object_id(), now);
            }
        }
        // What Stripe did not show, it does not have.
        if let Some(mark) = mark.filter(|_| answered) {
            self.unmarked.push(mark.clone());
        }
        if changed {
            Outcome::Applied
        } else {
            Outcome::Stale
        }
    }

    /// Whether a look has to compete. One that shows what is known is no event: it would only move the second from which
    /// grace and locks count where no transition was seen.
    fn is_news(&self, change: &AccountChange) -> bool {
        let book = self.books.get(&change.account);
        match &change.said {
            Said::Subscription(facts) => {
                let Some((book, row)) = book.zip(self.subscription(change)) else {
                    return true;
                };
                let record = &row.record;
                let account = &book.account;
                let can_tell = row.view.in_doubt
                    && match &facts.post.status {
                        SubscriptionStatus::Active => {
                            account.failed_since(&facts.id, record.active_at)
                        }
                        SubscriptionStatus::PastDue => account.paid_since(&facts.id, record.stamp),
                        _ => false,
                    };
                // Many looks of one second must not crowd out what competes in it.
                let known = record.has_seen(&facts.post, change.created)
                    || record.shows(&facts.post, change.created);
                can_tell || !known
            }
            Said::Customer(facts) => book
                .and_then(|book| book.customer.as_ref())
                .is_none_or(|row| !row.record.shows(&change.event_id, change.created, facts)),
            Said::Invoice(_) | Said::CustomerGone | Said::Claimed(_) => true,
        }
    }

    /// Notes that what is known was seen, and sees to it that it is what is shown. When an object was last looked at
    /// changes nothing that anybody sees, and stands in no audit row.
    fn note_look(&mut self, change: &AccountChange, now: Timestamp) -> bool {
        let (Said::Subscription(facts), Some(until)) = (&change.said, change.seen_until) else {
            return false;
        };
        // A change of terms alone is none of the state that events compete for.
        self.keep_terms(change);
        let Some(book) = self.books.get_mut(&change.account) else {
            return false;
        };
        let record = book.account.subscriptions.get_mut(&facts.id);
        let row = book.subscriptions.get_mut(&facts.id);
        let (Some(record), Some(row)) = (record, row) else {
            return false;
        };
        record.was_seen(until);
        row.record.was_seen(until);
        record.take_coupons(facts);
        let subscription = (change.account.clone(), facts.id.clone());
        self.changed_subscriptions.insert(subscription);
        let owner = book.account.owner();
        self.settle_now(&owner, "refresh", now)
    }

    /// Whether a look may have been taken before one that is known, whichever counts for the later second.
    fn overlaps_another_look(&self, change: &AccountChange) -> bool {
        let row = self.subscription(change);
        row.is_some_and(|row| row.record.was_seen_since(change.created))
    }

    /// Whether a look leaves no doubt: it is not behind the stamp, what competes adds up, and it is later than whatever
    /// invoices say that does not fit (O4).
    fn is_answered(&self, change: &AccountChange) -> bool {
        let Said::Subscription(facts) = &change.said else {
            return true;
        };
        let book = self.books.get(&change.account);
        let Some((book, row)) = book.zip(self.subscription(change)) else {
            return false;
        };
        let account = &book.account;
        let too_early = row.view.in_doubt
            && (account.failed_since(&facts.id, Some(change.created))
                || account.paid_since(&facts.id, change.created));
        row.record.is_answered_by(change.created) && !too_early
    }

    /// Whether what is stored is not what a look shows, or not for sure: only a later one can tell.
    fn is_contradicted(&self, change: &AccountChange) -> bool {
        let Said::Subscription(facts) = &change.said else {
            return false;
        };
        let Some(row) = self.subscription(change) else {
            return false;
        };
        let settled = row.record.settle();
        !row.record.terminal && settled.is_none_or(|it| it.in_doubt || *it.state != facts.post)
    }

    /// Marks a subscription whose state follows from an event that may be older than what was seen (O4), or that has a
    /// discount of which the event shows no more than the id.
    pub(super) fn doubt(&mut self, change: &AccountChange, now: Timestamp) {
        let (Said::Subscription(facts), None) = (&change.said, change.seen_until) else {
            return;
        };
        let looks = self.policy.looks;
        if self.subscription(change).is_some_and(|row| {
            row.record.may_be_older_than_seen(change.created)
                || (looks && row.record.lacks_a_coupon_of(facts))
        }) {
            self.mark_subscription(change.object_id(), now);
        }
    }

    /// Marks a subscription, to be looked at once that certainly counts for a later second than any that is known.
    pub(super) fn mark_subscription(&mut self, id: &str, now: Timestamp) {
        if let Ok(object) = ObjectId::parse(id) {
            self.mark(object, now + SETTLED_AFTER, now);
        }
    }

    /// Marks an object, to be looked at from a time on.
    pub(super) fn mark(&mut self, object_id: ObjectId, due_at: Timestamp, now: Timestamp) {
        let row = RefreshRow {
            object_id: object_id.clone(),
            due_at: MirrorTime::from_timestamp(due_at),
            tries: 0,
            marked_at: MirrorTime::from_timestamp(now),
        };
        self.marked.insert(object_id, row);
    }

    /// The subscription that a change is about.
    pub(super) fn subscription(&self, change: &AccountChange) -> Option<&SubscriptionRow> {
        let Said::Subscription(facts) = &change.said else {
            return None;
        };
        self.books
            .get(&change.account)?
            .subscriptions
            .get(&facts.id)
    }
}
