//! Recurring revenue, from what was told of the terms of all subscriptions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::{SqlStore, json, parse};
use crate::account::Contender;
use crate::event::{Coupon, SubscriptionEventKind, Terms};
use crate::id::{CustomerId, DiscountId, EventId, StripeCustomerId, SubscriptionId};
use crate::policy::Policy;
use crate::revenue::{History, Known, Revenue, Tally};
use crate::store::StoreError;
use crate::time::StripeTime;

/// Customers that are read at once.
const PAGE: u32 = 500;

/// A subscription, and what one event told of its terms, if one did.
#[derive(Deserialize)]
struct Row {
    owner: CustomerId,
    deleted_at: Option<StripeTime>,
    stripe_customer_id: StripeCustomerId,
    stripe_subscription_id: SubscriptionId,
    status: String,
    coupons: BTreeMap<DiscountId, Coupon>,
    created: Option<StripeTime>,
    event_id: Option<EventId>,
    kind: Option<SubscriptionEventKind>,
    post: Option<Terms>,
    pre: Option<Terms>,
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
        let rows: Vec<Row> = parse(self.database.fetch(statement, &parameters).await?)?;
        let mut by_subscription: BTreeMap<_, Vec<Row>> = BTreeMap::new();
        for row in rows {
            let subscription = (
                row.owner.clone(),
                row.stripe_customer_id.clone(),
                row.stripe_subscription_id.clone(),
            );
            by_subscription.entry(subscription).or_default().push(row);
        }
        let mut by_owner: BTreeMap<CustomerId, Subscriptions> = BTreeMap::new();
        for ((owner, ..), rows) in by_subscription {
            let subscriptions = by_owner.entry(owner).or_default();
            match history(rows, policy) {
                Ok(history) => subscriptions.histories.push(history),
                Err(Untold { runs }) => subscriptions.unknown += usize::from(runs),
            }
        }
        Ok(by_owner.into_values().collect())
    }
}

/// Nothing was told of what a subscription charges.
struct Untold {
    runs: bool,
}

/// What a subscription brought, from all that events told of it.
fn history(rows: Vec<Row>, policy: &Policy) -> Result<History, Untold> {
    let Some(first) = rows.first() else {
        return Err(Untold { runs: false });
    };
    let runs =
        ["active", "past_due"].contains(&first.status.as_str()) && first.deleted_at.is_none();
    let (deleted_at, coupons) = (first.deleted_at, first.coupons.clone());
    let told = |row: Row| {
        let told = Contender {
            kind: row.kind?,
            post: row.post?,
            pre: row.pre,
        };
        Some((row.created?, row.event_id?, told))
    };
    let told: Vec<_> = rows.into_iter().filter_map(told).collect();
    if told.is_empty() {
        return Err(Untold { runs });
    }
    let known = Known {
        deleted_at,
        coupons: &coupons,
        catalogue: &policy.catalogue,
    };
    Ok(History::of(told, &known))
}
