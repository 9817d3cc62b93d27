//! Where the ledger keeps its records: a store is batch-shaped, so that a batch costs a fixed
//! number of statements whatever its size.
//!
//! A transaction goes `begin` (which locks the head of the audit chain, and so every other
//! writer out) → `claim` → `load` → domain code → `save` → `append` → `commit`. Nothing else writes
//! these tables.

mod rows;
mod sql;
mod table;
mod tables;

pub use rows::{
    CustomerRow, DirtyRow, EventRow, InvoiceRow, MirrorState, ProcessedOutcome, QuarantineRow,
    RefreshRow, SubscriptionRow, TermsRow,
};
pub use sql::{
    CustomerFilter, InvoicePlace, Lot, Place, ReconcileRow, Records, RefreshDepth, SqlStore,
    SqlTransaction,
};

use std::collections::{BTreeSet, HashMap};
use std::future::Future;

use crate::audit;
use crate::claim::Claim;
use crate::id::{CustomerId, EventId, StripeCustomerId};

/// Opens transactions.
pub trait Store: Send + Sync + 'static {
    /// A transaction of this store.
    type Transaction: Transaction;

    /// Begins a transaction that holds the head of the audit chain: one writer at a time, over
    /// all processes.
    fn begin(&self) -> impl Future<Output = Result<Self::Transaction, StoreError>> + Send;
}

/// A transaction. Dropped without [`Transaction::commit`], it leaves no trace.
pub trait Transaction: Send {
    /// The head of the audit chain, as it was locked.
    fn head(&self) -> &audit::Head;

    /// What is known of events, by id.
    fn claim(
        &mut self,
        events: &[EventId],
    ) -> impl Future<Output = Result<HashMap<EventId, Claimed>, StoreError>> + Send;

    /// All records of these accounts, of every account bound to the same customers, and of every
    /// account bound to the named customers; with the mirror rows of all those customers, and the claims
    /// that are named.
    fn load(&mut self, keys: &Keys) -> impl Future<Output = Result<Loaded, StoreError>> + Send;

    /// Writes records.
    fn save(&mut self, writes: &WriteSet) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes what the audit chain gains, and moves its head.
    fn append(
        &mut self,
        addition: &audit::Addition,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes it all durable.
    fn commit(self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Reads the audit chain.
pub trait AuditLog: Send + Sync {
    /// Where it ends.
    fn audit_head(&self) -> impl Future<Output = Result<audit::Head, StoreError>> + Send;

    /// Some rows after a place, in order; none when there are no more.
    fn audit_rows_after(
        &self,
        seq: u64,
    ) -> impl Future<Output = Result<Vec<audit::Row>, StoreError>> + Send;
}

/// What is known of an event that was taken before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// What came of it.
    pub outcome: ProcessedOutcome,
    /// The digest of its facts, as it is stored.
    pub facts_digest: String,
}

/// What is to be loaded.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// Accounts.
    pub accounts: BTreeSet<StripeCustomerId>,
    /// Customers.
    pub customers: BTreeSet<CustomerId>,
    /// Customers whose claim is wanted.
    pub claims: BTreeSet<CustomerId>,
    /// Accounts of whose subscriptions is wanted what events told of their terms.
    pub terms: BTreeSet<StripeCustomerId>,
}

/// Records as they are stored.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Customers.
    pub customers: Vec<CustomerRow>,
    /// Their subscriptions.
    pub subscriptions: Vec<SubscriptionRow>,
    /// Their invoices.
    pub invoices: Vec<InvoiceRow>,
    /// Mirror rows.
    pub mirrors: Vec<MirrorState>,
    /// Claims to subscribe.
    pub claims: Vec<Claim>,
    /// What events told of the terms of subscriptions.
    pub terms: Vec<TermsRow>,
}

/// All that a batch writes, but for the audit chain.
#[derive(Debug, Clone, Default)]
pub struct WriteSet {
    /// Customers, new or changed.
    pub customers: Vec<CustomerRow>,
    /// Subscriptions, new or changed.
    pub subscriptions: Vec<SubscriptionRow>,
    /// What events told of the terms of subscriptions.
    pub terms: Vec<TermsRow>,
    /// Invoices, new or changed.
    pub invoices: Vec<InvoiceRow>,
    /// Events taken.
    pub events: Vec<EventRow>,
    /// Events set aside.
    pub quarantine: Vec<QuarantineRow>,
    /// Events that were set aside and no longer are.
    pub released: Vec<EventId>,
    /// Mirror rows, new or changed.
    pub mirrors: Vec<MirrorState>,
    /// Claims to subscribe, new or changed.
    pub claims: Vec<Claim>,
    /// Customers whose mirror row is a new version: what the outbox takes.
    pub dirty: Vec<DirtyRow>,
    /// Objects that are to be looked at again.
    pub marked: Vec<RefreshRow>,
    /// Marks that are answered, as they were when they were taken.
    pub unmarked: Vec<RefreshRow>,
}

/// Why a store failed. Carries no text of the database: that may quote data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database is busy, full or gone: nothing was kept, and trying again may help.
    #[error("the database is unavailable")]
    Unavailable,
    /// COMMIT failed: it may or may not have taken effect.
    #[error("the outcome of COMMIT is unknown")]
    CommitUnknown,
    /// The database refuses the data: trying the same again will fail again.
    #[error("the database refuses the data")]
    Refused,
    /// A table is not there: the migrations have not run.
    #[error("a table is missing")]
    TableMissing,
    /// The URL's scheme names no database that this program was built for.
    #[error("the URL's scheme names no database that this program was built for")]
    UnknownScheme,
    /// A stored row can't be read.
    #[error("a stored row can't be read")]
    Corrupt,
}

impl StoreError {
    /// A stable name.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unavailable => "database_unavailable",
            Self::CommitUnknown => "commit_unknown",
            Self::Refused => "database_refused",
            Self::TableMissing => "database_table_missing",
            Self::UnknownScheme => "database_unknown",
            Self::Corrupt => "database_corrupt",
        }
    }

    /// Whether the same batch may succeed later.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Unavailable | Self::CommitUnknown | Self::TableMissing
        )
    }
}
