//! What is stored of one customer, for those who read.

use super::{SqlStore, accounts_of, json, parse};
use crate::account::Entitlement;
use crate::claim::Claim;
use crate::event::SubscriptionStatus;
use crate::id::{CustomerId, StripeCustomerId};
use crate::policy::Policy;
use crate::store::{CustomerRow, MirrorState, StoreError, SubscriptionRow};

/// What is stored of one customer of the seller's.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// The accounts that are bound to them.
    pub customers: Vec<CustomerRow>,
    /// The subscriptions of those.
    pub subscriptions: Vec<SubscriptionRow>,
    /// Their mirror row.
    pub mirror: Option<MirrorState>,
}

impl Records {
    /// The subscription that counts (A1).
    #[must_use]
    pub fn best(&self, policy: &Policy) -> Option<&SubscriptionRow> {
        let views = self
            .subscriptions
            .iter()
            .map(|row| (&row.stripe_subscription_id, &row.view));
        let (best, _) = Entitlement::best(views, policy)?;
        self.subscriptions
            .iter()
            .find(|row| row.stripe_subscription_id == *best)
    }

    /// The account to act on at Stripe: the one with a subscription that counts, else the first that is there.
    #[must_use]
    pub fn account(&self, policy: &Policy) -> Option<&StripeCustomerId> {
        let exists = |account: &&StripeCustomerId| {
            self.customers
                .iter()
                .any(|row| row.stripe_customer_id == **account && row.record.deleted_at.is_none())
        };
        let best = self.best(policy).map(|row| &row.stripe_customer_id);
        let first = self.customers.iter().map(|row| &row.stripe_customer_id);
        best.filter(exists).or_else(|| first.filter(exists).min())
    }
}

impl SubscriptionRow {
    /// Whether it runs, or may: it is not over, and its first payment came.
    #[must_use]
    pub fn runs(&self) -> bool {
        !self.view.ended && self.view.status != SubscriptionStatus::Incomplete
    }
}

impl SqlStore {
    /// What is stored of a customer: three statements.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn records_of(&self, customer: &CustomerId) -> Result<Records, StoreError> {
        let (statements, database) = (self.statements(), &self.database);
        let accounts: Vec<StripeCustomerId> = customer.unbound_account().into_iter().collect();
        let (accounts, customers) = (json(&accounts)?, json(&[customer])?);
        let bound = [accounts, customers.clone()];
        let bound = database.fetch(&statements.load_customers, &bound).await?;
        let mut records = Records {
            customers: parse(bound)?,
            ..Records::default()
        };
        if !records.customers.is_empty() {
            let ids = [json(&accounts_of(&records.customers))?];
            let subscriptions = database.fetch(&statements.load_subscriptions, &ids).await?;
            records.subscriptions = parse(subscriptions)?;
        }
        let mirrors = database
            .fetch(&statements.load_mirrors, &[customers])
            .await?;
        records.mirror = parse(mirrors)?.pop();
        Ok(records)
    }

    /// The claim of a customer, where they ever made one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim_of(&self, customer: &CustomerId) -> Result<Option<Claim>, StoreError> {
        let claims = [json(&[customer])?];
        let claims = self
            .database
            .fetch(&self.statements().load_claims, &claims)
            .await?;
        Ok(parse(claims)?.pop())
    }
}
