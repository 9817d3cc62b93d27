//! The store on a SQL database.
//!
//! A transaction begins by taking the head of the audit chain: in PostgreSQL by locking its row,
//! in SQLite by taking the write lock. Every other writer, of this process or another, waits
//! there, so that what a batch decides on is what is stored.

mod audit_log;
mod customers;
mod outbox;
mod reads;
mod reconcile;
mod records;
mod refresh;
mod revenue;
mod statements;

use std::collections::HashMap;
use std::num::NonZeroU32;

use futures::future::join;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{
    Claimed, CustomerRow, EventRow, Keys, Loaded, Store, StoreError, Transaction, WriteSet,
};
use crate::account::Account;
use crate::audit;
use crate::database::{Database, DatabaseTransaction};
use crate::id::{CustomerId, EventId, StripeCustomerId};
use crate::mirror::SqlMirror;
pub use customers::CustomerFilter;
pub use reconcile::{Lot, Place, ReconcileRow};
pub use records::{InvoicePlace, Records};
pub use refresh::RefreshDepth;
use statements::Statements;

/// Queue's tables in a database.
#[derive(Debug, Clone)]
pub struct SqlStore {
    database: Database,
}

impl SqlStore {
    /// Opens the database of a URL, such as `sqlite://queue.db` (made if it is not there) or
    /// `postgres://queue@db/queue`. Runs no migration.
    ///
    /// # Errors
    /// [`StoreError::UnknownScheme`], or [`StoreError::Unavailable`] when it can't be opened.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_at_most(url, None).await
    }

    /// The same with so many connections at most; one is enough. Unless told, 8 to PostgreSQL and
    /// 4 to SQLite.
    ///
    /// # Errors
    /// As [`SqlStore::open`].
    pub async fn open_at_most(
        url: &str,
        connections: Option<NonZeroU32>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            database: Database::open(url, true, connections).await?,
        })
    }

    /// Opens a database that is there.
    ///
    /// # Errors
    /// As [`SqlStore::open`].
    pub async fn open_existing(url: &str) -> Result<Self, StoreError> {
        Ok(Self {
            database: Database::open(url, false, None).await?,
        })
    }

    /// Whether whoever writes waits for whoever else does, as in SQLite: best done where nothing else keeps either waiting.
    #[must_use]
    pub fn writers_take_turns(&self) -> bool {
        self.database.dialect().writers_take_turns()
    }

    /// The same store over two more connections to PostgreSQL, which the runtime that asks for them serves, however much
    /// another has to do; to be closed as well as this one. None where there may be but one connection; none for SQLite,
    /// which answers whoever asks from threads of its own.
    #[must_use]
    pub fn apart(&self) -> Option<Self> {
        let database = self.database.apart()?;
        Some(Self { database })
    }

    /// Brings Queue's tables up to date.
    ///
    /// # Errors
    /// A [`billing_migrations::MigrationError`].
    pub async fn migrate(&self) -> Result<(), billing_migrations::MigrationError> {
        self.database
            .migrate(billing_migrations::Schema::Queue)
            .await
    }

    /// The mirror in the same database, on the same connections: its table is made, or brought up
    /// to date.
    ///
    /// # Errors
    /// A [`billing_migrations::MigrationError`].
    pub async fn mirror(&self) -> Result<SqlMirror, billing_migrations::MigrationError> {
        SqlMirror::make(self.database.clone()).await
    }

    /// Whether the database answers and its tables are there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not, [`StoreError::TableMissing`] when they are not.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.database
            .fetch(&self.statements().read_head, &[])
            .await
            .map(drop)
    }

    /// Customers whose row should have changed by now without an event (A6), the longest overdue
    /// first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_customers(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<CustomerId>, StoreError> {
        #[derive(Deserialize)]
        struct Due {
            queue_customer_id: CustomerId,
        }
        let parameters = [now.as_second().to_string(), limit.to_string()];
        let due = self
            .database
            .fetch(&self.statements().due, &parameters)
            .await?;
        Ok(parse::<Due>(due)?
            .into_iter()
            .map(|due| due.queue_customer_id)
            .collect())
    }

    /// Ends all connections, after the transactions in progress.
    pub async fn close(&self) {
        self.database.close().await;
    }

    fn statements(&self) -> &'static Statements {
        Statements::of(self.database.dialect())
    }
}

impl Store for SqlStore {
    type Transaction = SqlTransaction;

    async fn begin(&self) -> Result<SqlTransaction, StoreError> {
        let statements = self.statements();
        let mut transaction = self.database.begin().await?;
        let head = transaction.fetch(&statements.lock_head, &[]).await?;
        Ok(SqlTransaction {
            transaction,
            statements,
            head: only(head)?,
        })
    }
}

/// A transaction on a SQL database.
pub struct SqlTransaction {
    transaction: DatabaseTransaction,
    statements: &'static Statements,
    head: audit::Head,
}

impl SqlTransaction {
    async fn rows<T: DeserializeOwned>(
        &mut self,
        statement: &'static str,
        parameters: &[String],
    ) -> Result<Vec<T>, StoreError> {
        parse(self.transaction.fetch(statement, parameters).await?)
    }
}

impl Transaction for SqlTransaction {
    fn head(&self) -> &audit::Head {
        &self.head
    }

    async fn claim(&mut self, events: &[EventId]) -> Result<HashMap<EventId, Claimed>, StoreError> {
        if events.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<EventRow> = self.rows(&self.statements.claim, &[json(events)?]).await?;
        let claimed = |row: EventRow| {
            (
                row.event_id,
                Claimed {
                    outcome: row.outcome,
                    facts_digest: row.facts_digest,
                },
            )
        };
        Ok(rows.into_iter().map(claimed).collect())
    }

    async fn load(&mut self, keys: &Keys) -> Result<Loaded, StoreError> {
        let statements = self.statements;
        let Keys {
            accounts,
            customers,
            claims,
            terms,
        } = keys;
        let mut loaded = Loaded::default();
        if !accounts.is_empty() || !customers.is_empty() {
            loaded.customers = self
                .rows(
                    &statements.load_customers,
                    &[json(accounts)?, json(customers)?],
                )
                .await?;
        }
        if !loaded.customers.is_empty() {
            let ids = [json(&accounts_of(&loaded.customers))?];
            loaded.subscriptions = self.rows(&statements.load_subscriptions, &ids).await?;
            loaded.invoices = self.rows(&statements.load_invoices, &ids).await?;
        }
        let mut owners = customers.clone();
        owners.extend(accounts.iter().map(CustomerId::unbound));
        owners.extend(loaded.customers.iter().map(owner_of));
        if !owners.is_empty() {
            loaded.mirrors = self
                .rows(&statements.load_mirrors, &[json(&owners)?])
                .await?;
        }
        if !claims.is_empty() {
            loaded.claims = self.rows(&statements.load_claims, &[json(claims)?]).await?;
        }
        if !terms.is_empty() {
            loaded.terms = self.rows(&statements.load_terms, &[json(terms)?]).await?;
        }
        Ok(loaded)
    }

    async fn save(&mut self, writes: &WriteSet) -> Result<(), StoreError> {
        let (statements, transaction) = (self.statements, &mut self.transaction);
        if !writes.released.is_empty() {
            let released = [json(&writes.released)?];
            transaction.execute(&statements.release, &released).await?;
        }
        let records = transaction
            .inserts()
            .with(&statements.save_customers, &writes.customers)?
            .with(&statements.save_subscriptions, &writes.subscriptions)?
            .with(&statements.save_terms, &writes.terms)?
            .with(&statements.save_invoices, &writes.invoices)?
            .with(&statements.save_claims, &writes.claims)?;
        let rest = transaction.inserts();
        let rest = async {
            rest.with(&statements.save_events, &writes.events)?
                .with(&statements.save_quarantine, &writes.quarantine)?
                .with(&statements.save_mirrors, &writes.mirrors)?
                .with(&statements.mark_dirty, &writes.dirty)?
                .with(&statements.mark, &writes.marked)
        };
        // The first is polled first: the database is at work on it while the rest is made ready.
        let (inserted, rest) = join(transaction.insert(records), rest).await;
        inserted?;
        transaction.insert(rest?).await?;
        if !writes.unmarked.is_empty() {
            let unmarked = [json(&writes.unmarked)?];
            transaction.execute(&statements.unmark, &unmarked).await?;
        }
        Ok(())
    }

    async fn append(&mut self, addition: &audit::Addition) -> Result<(), StoreError> {
        let (statements, transaction) = (self.statements, &mut self.transaction);
        let audit::Addition { rows, head } = addition;
        let rows = transaction.inserts().with(&statements.append, rows)?;
        transaction.insert(rows).await?;
        let key_check = head.key_check.clone().unwrap_or_default();
        let parameters = [head.seq.to_string(), head.mac.clone(), key_check];
        transaction
            .execute(&statements.move_head, &parameters)
            .await
            .map(drop)
    }

    async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await
    }
}

fn accounts_of(customers: &[CustomerRow]) -> Vec<&StripeCustomerId> {
    customers
        .iter()
        .map(|row| &row.stripe_customer_id)
        .collect()
}

fn owner_of(row: &CustomerRow) -> CustomerId {
    let account = Account {
        customer: row.record.clone(),
        ..Account::new(row.stripe_customer_id.clone())
    };
    account.owner()
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Refused)
}

fn parse<T: DeserializeOwned>(rows: Option<String>) -> Result<Vec<T>, StoreError> {
    rows.and_then(|rows| serde_json::from_str(&rows).ok())
        .ok_or(StoreError::Corrupt)
}

fn only<T: DeserializeOwned>(rows: Option<String>) -> Result<T, StoreError> {
    parse(rows)?.pop().ok_or(StoreError::Corrupt)
}

#[cfg(all(test, feature = "sqlite", feature = "postgres"))]
mod tests {
    use jiff::SignedDuration;
    use test_database::{Engine, TestDatabase};

    use super::*;
    use crate::mirror::{MirrorTime, Outbox};

    /// Also over a connection on which something was committed that may be forgotten.
    #[tokio::test]
    async fn what_the_ledger_commits_is_durable_when_it_is_told() {
        for engine in [Engine::Sqlite, Engine::Postgres] {
            let database = TestDatabase::new(engine);
            let one = NonZeroU32::new(engine.pick(2, 1));
            let store = SqlStore::open_at_most(database.url(), one).await.unwrap();
            store.migrate().await.unwrap();
            for _ in 0..2 {
                let mut begun = store.begin().await.unwrap();
                let setting = engine.pick(
                    "select cast(synchronous as text) from pragma_synchronous",
                    "select current_setting('synchronous_commit')",
                );
                let setting = begun.transaction.fetch(setting, &[]).await.unwrap();
                assert_eq!(setting.as_deref(), Some(engine.pick("2", "on")));
                begun.commit().await.unwrap();
                let now = Timestamp::now();
                let until = MirrorTime::from_timestamp(now + SignedDuration::from_secs(5));
                let now = MirrorTime::from_timestamp(now);
                assert_eq!(store.lease("test", 1, now, until).await, Ok(Vec::new()));
                store.settle("test", &[], &[]).await.unwrap();
            }
            store.close().await;
        }
    }
}
