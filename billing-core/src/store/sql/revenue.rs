//! Recurring revenue, from what was told of the terms of all subscriptions.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::Deserialize;

use super::{SqlStore, json, parse};
use crate::account::{Contender, Contenders};
use crate::event::Coupon;
use crate::id::{CustomerId, DiscountId, StripeCustomerId, SubscriptionId};
use crate::policy::Policy;
use crate::revenue::{History, Known, Revenue, Tally};
use crate::store::{StoreError, TermsRow};
use crate::time::StripeTime;

/// Customers that are read at once.
const PAGE: u32 = 500;

/// What is stored of some customers.
#[derive(Deserialize)]
struct Stored {
    accounts: Vec<Account>,
    subscriptions: Vec<Subscription>,
    terms: Vec<TermsRow>,
}

#[derive(Deserialize)]
struct Account {
    stripe_customer_id: StripeCustomerId,
    queue_customer_id: Option<CustomerId>,
    deleted_at: Option<StripeTime>,
}

#[derive(Deserialize)]
struct Subscription {
    stripe_customer_id: StripeCustomerId,
    stripe_subscription_id: SubscriptionId,
    contenders: Contenders<Contender>,
    coupons: BTreeMap<DiscountId, Coupon>,
}

/// What one customer has.
#[derive(Default)]
struct Subscriptions {
    histories: Vec<History>,
    /// How many run of which nothing was told.
    unknown: usize,
}

impl SqlStore {
    /// Recurring revenue of all customers by now, and how it came about in so many months. Customers are read by the
    /// page: it takes no more memory for many of them, and each is as they are at one moment.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revenue(
        &self,
        policy: &Policy,
        now: Timestamp,
        months: u32,
    ) -> Result<Revenue, StoreError> {
        let mut tally = Tally::new(now, months);
        let mut after: Option<CustomerId> = None;
        loop {
            let customers = self.customer_ids(after.as_ref()).await?;
            let Some(last) = customers.last() else {
                return Ok(tally.report());
            };
            for customer in self.subscriptions_of_all(&customers, policy).await? {
                tally.add(&customer.histories);
                (0..customer.unknown).for_each(|_| tally.add_unknown());
            }
            after = Some(last.clone());
        }
    }

    async fn customer_ids(
        &self,
        after: Option<&CustomerId>,
    ) -> Result<Vec<CustomerId>, StoreError> {
        #[derive(Deserialize)]
        struct Customer {
            queue_customer_id: CustomerId,
        }
        let after = after.map(CustomerId::to_string).unwrap_or_default();
        let parameters = [after, PAGE.to_string()];
        let statement = &self.statements().customer_ids;
        let customers: Vec<Customer> = parse(self.database.fetch(statement, &parameters).await?)?;
        let ids = customers.into_iter().map(|row| row.queue_customer_id);
        let mut ids: Vec<CustomerId> = ids.collect();
        ids.sort();
        Ok(ids)
    }

    /// What the subscriptions of each of these customers brought.
    async fn subscriptions_of_all(
        &self,
        customers: &[CustomerId],
        policy: &Policy,
    ) -> Result<Vec<Subscriptions>, StoreError> {
        let unbound = customers.iter().filter_map(CustomerId::unbound_account);
        let unbound: Vec<StripeCustomerId> = unbound.collect();
        let parameters = [json(customers)?, json(&unbound)?];
        let statement = &self.statements().terms;
        let stored = self.database.fetch(statement, &parameters).await?;
        let stored: Stored = stored
            .and_then(|stored| serde_json::from_str(&stored).ok())
            .ok_or(StoreError::Corrupt)?;
        let mut terms: HashMap<_, Vec<TermsRow>> = HashMap::new();
        for row in stored.terms {
            let subscription = (
                row.stripe_customer_id.clone(),
                row.stripe_subscription_id.clone(),
            );
            terms.entry(subscription).or_default().push(row);
        }
        let accounts = stored.accounts.iter();
        let accounts: HashMap<_, _> = accounts.map(|row| (&row.stripe_customer_id, row)).collect();
        let mut by_owner: BTreeMap<CustomerId, Subscriptions> = BTreeMap::new();
        for subscription in stored.subscriptions {
            let Some(account) = accounts.get(&subscription.stripe_customer_id) else {
                continue;
            };
            let owner = account.queue_customer_id.clone();
            let owner = owner.unwrap_or_else(|| CustomerId::unbound(&account.stripe_customer_id));
            let theirs = by_owner.entry(owner).or_default();
            let key = (
                subscription.stripe_customer_id,
                subscription.stripe_subscription_id,
            );
            match terms.remove(&key) {
                Some(told) => theirs.histories.push(History::of(
                    told.into_iter()
                        .map(|row| (row.created, row.event_id, row.told)),
                    &Known {
                        deleted_at: account.deleted_at,
                        coupons: &subscription.coupons,
                        catalogue: &policy.catalogue,
                    },
                )),
                None => {
                    let settled = subscription.contenders.settle();
                    let charges = settled.is_some_and(|settled| settled.state.status.charges());
                    theirs.unknown += usize::from(charges && account.deleted_at.is_none());
                }
            }
        }
        Ok(by_owner.into_values().collect())
    }
}
