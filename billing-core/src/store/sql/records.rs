//! What is stored of one customer, for those who read.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::{SqlStore, json, parse};
use crate::account::Entitlement;
use crate::audit::Row;
use crate::change::QuarantineReason;
use crate::claim::Claim;
use crate::event::SubscriptionStatus;
use crate::id::{CustomerId, EventId, InvoiceId, StripeCustomerId};
use crate::mirror::MirrorTime;
use crate::policy::Policy;
use crate::store::{
    CustomerRow, InvoiceRow, MirrorState, QuarantineRow, StoreError, SubscriptionRow,
};
use crate::time::StripeTime;

/// What is stored of one customer of the seller's.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// The accounts that are bound to them.
    pub customers: Vec<CustomerRow>,
    /// The subscriptions of those.
    pub subscriptions: Vec<SubscriptionRow>,
    /// Their mirror row, as it should be.
    pub mirror: Option<MirrorState>,
    /// Since when the mirror has not had it; `None`: it has it.
    pub waiting_since: Option<MirrorTime>,
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

/// Where an invoice stands among a customer's: when it was made, its id, whose account it is in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InvoicePlace(StripeTime, InvoiceId, StripeCustomerId);

impl InvoicePlace {
    /// An invoice's.
    #[must_use]
    pub fn of(row: &InvoiceRow) -> Self {
        let (id, account) = (&row.stripe_invoice_id, &row.stripe_customer_id);
        Self(row.record.created, id.clone(), account.clone())
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
    /// What is stored of a customer, as it was at one moment.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn records_of(&self, customer: &CustomerId) -> Result<Records, StoreError> {
        #[derive(Deserialize)]
        struct Waiting {
            dirty_since: MirrorTime,
        }
        #[derive(Deserialize)]
        struct Stored {
            customers: Vec<CustomerRow>,
            subscriptions: Vec<SubscriptionRow>,
            mirrors: Vec<MirrorState>,
            waiting: Vec<Waiting>,
        }
        let records = &self.statements().records;
        let records = self.database.fetch(records, &whose(customer)?).await?;
        let mut stored: Stored = records
            .and_then(|records| serde_json::from_str(&records).ok())
            .ok_or(StoreError::Corrupt)?;
        // A database tells rows in whatever order it finds them.
        let customers = &mut stored.customers;
        customers.sort_by_cached_key(|row| row.stripe_customer_id.clone());
        let subscriptions = &mut stored.subscriptions;
        subscriptions.sort_by_cached_key(|row| {
            (
                row.stripe_subscription_id.clone(),
                row.stripe_customer_id.clone(),
            )
        });
        Ok(Records {
            customers: stored.customers,
            subscriptions: stored.subscriptions,
            mirror: stored.mirrors.pop(),
            waiting_since: stored.waiting.pop().map(|row| row.dirty_since),
        })
    }

    /// Invoices of a customer, the newest first: so many, of those before one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn invoices_of(
        &self,
        customer: &CustomerId,
        before: Option<&InvoicePlace>,
        limit: u32,
    ) -> Result<Vec<InvoiceRow>, StoreError> {
        let (created, id, account) = before.map_or(
            (StripeTime::LATEST.seconds() + 1, "", ""),
            |InvoicePlace(created, id, account)| (created.seconds(), id.as_str(), account.as_str()),
        );
        let [customers, accounts] = whose(customer)?;
        let (created, id, account) = (created.to_string(), id.to_owned(), account.to_owned());
        let parameters = [customers, accounts, created, id, account, limit.to_string()];
        let page = &self.statements().invoices_page;
        let mut rows: Vec<InvoiceRow> = parse(self.database.fetch(page, &parameters).await?)?;
        rows.sort_by_cached_key(|row| Reverse(InvoicePlace::of(row)));
        Ok(rows)
    }

    /// What the audit chain has of a customer and of what is theirs, the newest first: so many rows, of those before
    /// one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn timeline_of(
        &self,
        customer: &CustomerId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Row>, StoreError> {
        let before = before.and_then(|seq| i64::try_from(seq).ok());
        let before = before.unwrap_or(i64::MAX).to_string();
        let [customers, accounts] = whose(customer)?;
        let parameters = [customers, accounts, before, limit.to_string()];
        let page = &self.statements().timeline_page;
        let mut rows: Vec<Row> = parse(self.database.fetch(page, &parameters).await?)?;
        rows.sort_by_key(|row| Reverse(row.seq));
        Ok(rows)
    }

    /// Events that were set aside, in the order of their ids and reasons: so many, of those after one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn quarantine(
        &self,
        after: Option<&(EventId, QuarantineReason)>,
        limit: u32,
    ) -> Result<Vec<QuarantineRow>, StoreError> {
        let (event, reason) = after.map_or(("", ""), |(event, reason)| {
            (event.as_str(), reason.as_str())
        });
        let parameters = [event.to_owned(), reason.to_owned(), limit.to_string()];
        let page = &self.statements().quarantine_page;
        let mut rows: Vec<QuarantineRow> = parse(self.database.fetch(page, &parameters).await?)?;
        rows.sort_by_cached_key(|row| (row.event_id.clone(), row.reason.as_str()));
        Ok(rows)
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

/// The parameters that a customer's statements begin with.
fn whose(customer: &CustomerId) -> Result<[String; 2], StoreError> {
    let accounts: Vec<StripeCustomerId> = customer.unbound_account().into_iter().collect();
    Ok([json(&[customer])?, json(&accounts)?])
}
