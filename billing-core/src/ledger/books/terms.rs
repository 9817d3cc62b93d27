//! What events tell of what subscriptions charge, kept as it was told: revenue of a month follows from all that is known
//! of it, whenever it came to be known. No access follows from it: it makes no event less stale, and has no audit row.

use std::collections::BTreeMap;

use super::Books;
use crate::account::Contender;
use crate::change::{AccountChange, Said};
use crate::event::{StateVector, SubscriptionFacts};
use crate::revenue::Second;
use crate::store::TermsRow;

impl Books<'_> {
    /// Keeps what is told of the terms: by an event, if it is a change of them, or all there is, which a renewal is not,
    /// unless a change was missed before it; by a look, if it is not what is known.
    pub(super) fn keep_terms(&mut self, change: &AccountChange) {
        let Said::Subscription(facts) = &change.said else {
            return;
        };
        let is_event = change.seen_until.is_none();
        let is_news = if is_event {
            facts.terms_before.as_ref() != Some(&facts.terms) || self.was_elsewhere(change, facts)
        } else {
            !self.knows_terms(facts)
        };
        if is_news {
            self.terms.push(TermsRow {
                stripe_customer_id: change.account.clone(),
                stripe_subscription_id: facts.id.clone(),
                created: change.created,
                event_id: change.event_id.clone(),
                told: Contender {
                    kind: facts.kind,
                    post: facts.terms.clone(),
                    pre: facts.terms_before.clone(),
                },
            });
        }
    }

    /// Whether an event begins in another status, or at other prices, than is known.
    fn was_elsewhere(&self, change: &AccountChange, facts: &SubscriptionFacts) -> bool {
        let settled = self
            .subscription(change)
            .and_then(|row| row.record.settle());
        let charges = |state: &StateVector| (state.status.clone(), state.items.clone());
        settled.map(|settled| charges(settled.state)) != facts.pre.as_ref().map(charges)
    }

    /// Whether what was told of a subscription before adds up to these terms, or to its end.
    fn knows_terms(&self, facts: &SubscriptionFacts) -> bool {
        let key = (facts.customer.clone(), facts.id.clone());
        let is_of_it = |row: &&TermsRow| {
            row.stripe_customer_id == key.0 && row.stripe_subscription_id == key.1
        };
        let before = self.told_terms.get(&key).into_iter().flatten();
        let rows = before.chain(self.terms.iter().filter(is_of_it));
        let mut seconds: BTreeMap<_, Second> = BTreeMap::new();
        for row in rows {
            if row.told.is_terminal() {
                return true;
            }
            let second = seconds.entry(row.created).or_default();
            second.add(row.event_id.clone(), row.told.clone());
        }
        let last = seconds.last_key_value();
        let settled = last.and_then(|(_, second)| second.settle());
        settled.is_some_and(|settled| *settled.state == facts.terms)
    }
}
