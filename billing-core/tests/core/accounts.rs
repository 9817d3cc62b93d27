//! Accounts in memory: what the pure functions make of events, without a ledger.

use std::collections::{BTreeMap, BTreeSet};

use billing_core::account::{Account, Entitlement, SubscriptionView};
use billing_core::change::Change;
use billing_core::event::Event;
use billing_core::id::{CustomerId, StripeCustomerId, SubscriptionId};
use billing_core::policy::Policy;
use jiff::Timestamp;

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Accounts(pub(crate) BTreeMap<StripeCustomerId, Account>);

impl Accounts {
    pub(crate) fn take(&mut self, event: &Event, policy: &Policy, now: Timestamp) {
        if let Change::Account(change) = Change::from_event(event, policy, now) {
            self.0
                .entry(change.account.clone())
                .or_insert_with(|| Account::new(change.account.clone()))
                .apply(&change);
        }
    }

    pub(crate) fn views(
        &self,
        policy: &Policy,
        now: Timestamp,
    ) -> BTreeMap<(StripeCustomerId, SubscriptionId), SubscriptionView> {
        let views = self.0.iter().flat_map(|(account_id, account)| {
            let views = account.views(policy, now).into_iter();
            views.map(|(id, view)| ((account_id.clone(), id), view))
        });
        views.collect()
    }

    /// What each customer has to whom an account is bound.
    pub(crate) fn entitlements(
        &self,
        policy: &Policy,
        now: Timestamp,
    ) -> BTreeMap<CustomerId, Entitlement> {
        let owners: BTreeSet<CustomerId> = self.0.values().map(Account::owner).collect();
        let of_owner = |owner: &CustomerId| {
            let bound = self.0.values().filter(|account| account.owner() == *owner);
            let views: Vec<_> = bound
                .flat_map(|account| account.views(policy, now))
                .collect();
            Entitlement::of(views.iter().map(|(id, view)| (id, view)), policy)
        };
        owners
            .into_iter()
            .map(|owner| (owner.clone(), of_owner(&owner)))
            .collect()
    }
}
