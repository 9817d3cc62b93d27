//! The store on SQLite: what `cargo` alone runs the whole system on.
//!
//! `BEGIN IMMEDIATE` takes the one write lock of the database before anything is read, so that
//! what is decided on is what is there. WAL lets readers go on; `synchronous = FULL` makes a
//! commit durable before it returns.

mod audit_log;
mod outbox;
mod table;
mod tables;

use std::collections::{BTreeSet, HashMap};
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::error::DatabaseError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, Sqlite, SqliteConnection};

use super::{Claimed, EventRow, Loaded, Store, StoreError, Transaction, WriteSet};
use crate::account::Account;
use crate::audit;
use crate::id::{CustomerId, EventId, StripeCustomerId};

/// How long a writer waits for another process's transaction before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How often, and how far apart, a new database is asked for its write-ahead log.
const WAL_TRIES: u32 = 100;
const WAL_PAUSE: Duration = Duration::from_millis(50);
/// Connections: one writes at a time, the others read.
const MAX_CONNECTIONS: u32 = 4;

/// Queue's tables in a SQLite database.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    pool: SqlitePool,
}

/// Opens a SQLite database as Queue and mirrors use it.
pub(crate) async fn open(url: &str, create_if_missing: bool) -> Result<SqlitePool, StoreError> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|_| StoreError::Unavailable)?
        .create_if_missing(create_if_missing)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT);
    // Each connection to an in-memory database would see one of its own.
    let in_memory =
        options.get_filename() == std::path::Path::new(":memory:") || url.contains("mode=memory");
    if !in_memory {
        switch_to_wal(&options).await?;
    }
    let pool = SqlitePoolOptions::new()
        .max_connections(if in_memory { 1 } else { MAX_CONNECTIONS })
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(BUSY_TIMEOUT)
        .test_before_acquire(false);
    pool.connect_with(options).await.map_err(classify)
}

/// Switches a database to its write-ahead log, for good. Done once, by one connection: the switch
/// needs the database to itself and does not wait for it, whatever the busy timeout, so that two
/// processes that open a new database at once would trip over each other.
async fn switch_to_wal(options: &SqliteConnectOptions) -> Result<(), StoreError> {
    let options = options.clone().journal_mode(SqliteJournalMode::Wal);
    for _ in 0..WAL_TRIES {
        match SqliteConnection::connect_with(&options).await {
            Ok(connection) => return connection.close().await.map_err(classify),
            Err(sqlx::Error::Database(error)) if is_busy(error.as_ref()) => {
                tokio::time::sleep(WAL_PAUSE).await;
            }
            Err(error) => return Err(classify(error)),
        }
    }
    Err(StoreError::Unavailable)
}

/// SQLITE_BUSY and SQLITE_LOCKED, with any extension.
fn is_busy(error: &dyn DatabaseError) -> bool {
    let code = error.code().and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

impl SqliteStore {
    /// Opens the database of a URL such as `sqlite://queue.db`, and makes the file if it is not
    /// there. Runs no migration.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it can't be opened.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Ok(Self {
            pool: open(url, true).await?,
        })
    }

    /// Opens a database that is there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it can't be opened.
    pub async fn open_existing(url: &str) -> Result<Self, StoreError> {
        Ok(Self {
            pool: open(url, false).await?,
        })
    }

    /// Brings Queue's tables up to date.
    ///
    /// # Errors
    /// A [`billing_migrations::MigrationError`].
    pub async fn migrate(&self) -> Result<(), billing_migrations::MigrationError> {
        billing_migrations::Sqlite::new(&self.pool, billing_migrations::Schema::Queue)
            .migrate()
            .await
    }

    /// Whether the database answers and its tables are there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not, or they are not.
    pub async fn check(&self) -> Result<(), StoreError> {
        let query = sqlx::query_scalar::<_, i64>("select seq from billing_chain where id = 1");
        query
            .fetch_one(&self.pool)
            .await
            .map(drop)
            .map_err(classify)
    }

    /// How many subscriptions are in doubt, and how many objects were set aside: what wants a
    /// refresh.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn doubts(&self) -> Result<u64, StoreError> {
        let query = sqlx::query_scalar::<_, i64>(
            "select (select count(*) from billing_subscription where in_doubt = 1)
                  + (select count(distinct object_id) from billing_quarantine where object_id is not null)",
        );
        let count = query.fetch_one(&self.pool).await.map_err(classify)?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Ends all connections, after the transactions in progress.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl Store for SqliteStore {
    type Transaction = SqliteTransaction;

    async fn begin(&self) -> Result<SqliteTransaction, StoreError> {
        let mut transaction = self
            .pool
            .begin_with("begin immediate")
            .await
            .map_err(classify)?;
        let query = sqlx::query_as("select seq, mac, key_check from billing_chain where id = 1");
        let (seq, mac, key_check): (i64, String, Option<String>) =
            query.fetch_one(&mut *transaction).await.map_err(classify)?;
        let seq = u64::try_from(seq).map_err(|_| StoreError::Corrupt)?;
        Ok(SqliteTransaction {
            transaction,
            head: audit::Head {
                seq,
                mac,
                key_check,
            },
        })
    }
}

/// A transaction on SQLite.
#[derive(Debug)]
pub struct SqliteTransaction {
    transaction: sqlx::Transaction<'static, Sqlite>,
    head: audit::Head,
}

static CLAIM: LazyLock<String> =
    LazyLock::new(|| tables::EVENT.select("event_id in (select value from json_each($1))"));
static LOAD_CUSTOMERS: LazyLock<String> = LazyLock::new(|| {
    tables::CUSTOMER.select(
        "stripe_customer_id in (select value from json_each($1))
         or queue_customer_id in (select value from json_each($2))
         or queue_customer_id in (select queue_customer_id from billing_customer
                                  where stripe_customer_id in (select value from json_each($1)))",
    )
});
const OF_ACCOUNTS: &str = "stripe_customer_id in (select value from json_each($1))";
static LOAD_SUBSCRIPTIONS: LazyLock<String> =
    LazyLock::new(|| tables::SUBSCRIPTION.select(OF_ACCOUNTS));
static LOAD_INVOICES: LazyLock<String> = LazyLock::new(|| tables::INVOICE.select(OF_ACCOUNTS));
static LOAD_MIRRORS: LazyLock<String> = LazyLock::new(|| {
    tables::MIRROR_ROW.select("queue_customer_id in (select value from json_each($1))")
});
static SAVE_CUSTOMERS: LazyLock<String> = LazyLock::new(|| tables::CUSTOMER.upsert());
static SAVE_SUBSCRIPTIONS: LazyLock<String> = LazyLock::new(|| tables::SUBSCRIPTION.upsert());
static SAVE_INVOICES: LazyLock<String> = LazyLock::new(|| tables::INVOICE.upsert());
static SAVE_EVENTS: LazyLock<String> = LazyLock::new(|| tables::EVENT.upsert());
static SAVE_QUARANTINE: LazyLock<String> = LazyLock::new(|| tables::QUARANTINE.upsert());
static SAVE_MIRRORS: LazyLock<String> = LazyLock::new(|| tables::MIRROR_ROW.upsert());
static APPEND: LazyLock<String> = LazyLock::new(|| tables::ACTION_LOG.insert());

/// An event set aside for other facts than its first body's stays so: only its own reason goes.
const RELEASE: &str = "delete from billing_quarantine
    where reason <> 'facts_differ' and event_id in (select value from json_each($1))";
const MARK_DIRTY: &str =
    "insert into mirror_outbox (queue_customer_id, version, dirty_since, due_at)
    select json_extract(value, '$.queue_customer_id'), json_extract(value, '$.version'),
           json_extract(value, '$.due_at'), json_extract(value, '$.due_at')
    from json_each($1) where true
    on conflict (queue_customer_id) do update
    set version = excluded.version, due_at = min(due_at, excluded.due_at)";
const MOVE_HEAD: &str = "update billing_chain set seq = $1, mac = $2, key_check = $3 where id = 1";

impl SqliteTransaction {
    async fn rows<T: DeserializeOwned>(
        &mut self,
        statement: &'static str,
        parameters: &[String],
    ) -> Result<Vec<T>, StoreError> {
        let mut query = sqlx::query_scalar::<_, String>(statement);
        for parameter in parameters {
            query = query.bind(parameter);
        }
        let json = query
            .fetch_one(&mut *self.transaction)
            .await
            .map_err(classify)?;
        serde_json::from_str(&json).map_err(|_| StoreError::Corrupt)
    }

    async fn write<T: Serialize>(
        &mut self,
        statement: &'static str,
        rows: &[T],
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let query = sqlx::query(statement).bind(json(rows)?);
        query
            .execute(&mut *self.transaction)
            .await
            .map(drop)
            .map_err(classify)
    }
}

impl Transaction for SqliteTransaction {
    fn head(&self) -> &audit::Head {
        &self.head
    }

    async fn claim(&mut self, events: &[EventId]) -> Result<HashMap<EventId, Claimed>, StoreError> {
        if events.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<EventRow> = self.rows(&CLAIM, &[json(events)?]).await?;
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

    async fn load(
        &mut self,
        accounts: &[StripeCustomerId],
        customers: &[CustomerId],
    ) -> Result<Loaded, StoreError> {
        let mut loaded = Loaded::default();
        let mut owners: BTreeSet<CustomerId> = customers.iter().cloned().collect();
        if !accounts.is_empty() || !customers.is_empty() {
            loaded.customers = self
                .rows(&LOAD_CUSTOMERS, &[json(accounts)?, json(customers)?])
                .await?;
        }
        if !loaded.customers.is_empty() {
            let ids: Vec<_> = loaded
                .customers
                .iter()
                .map(|row| &row.stripe_customer_id)
                .collect();
            let ids = [json(&ids)?];
            loaded.subscriptions = self.rows(&LOAD_SUBSCRIPTIONS, &ids).await?;
            loaded.invoices = self.rows(&LOAD_INVOICES, &ids).await?;
        }
        owners.extend(accounts.iter().map(CustomerId::unbound));
        for row in &loaded.customers {
            let account = Account {
                customer: row.record.clone(),
                ..Account::new(row.stripe_customer_id.clone())
            };
            owners.insert(account.owner());
        }
        if !owners.is_empty() {
            loaded.mirrors = self.rows(&LOAD_MIRRORS, &[json(&owners)?]).await?;
        }
        Ok(loaded)
    }

    async fn save(&mut self, writes: &WriteSet) -> Result<(), StoreError> {
        self.write(&SAVE_CUSTOMERS, &writes.customers).await?;
        self.write(&SAVE_SUBSCRIPTIONS, &writes.subscriptions)
            .await?;
        self.write(&SAVE_INVOICES, &writes.invoices).await?;
        self.write(&SAVE_EVENTS, &writes.events).await?;
        self.write(RELEASE, &writes.released).await?;
        self.write(&SAVE_QUARANTINE, &writes.quarantine).await?;
        self.write(&SAVE_MIRRORS, &writes.mirrors).await?;
        self.write(MARK_DIRTY, &writes.dirty).await?;
        self.write(&APPEND, &writes.audit).await?;
        let Some(head) = &writes.head else {
            return Ok(());
        };
        let query = sqlx::query(MOVE_HEAD)
            .bind(i64::try_from(head.seq).map_err(|_| StoreError::Refused)?)
            .bind(&head.mac)
            .bind(&head.key_check);
        query
            .execute(&mut *self.transaction)
            .await
            .map(drop)
            .map_err(classify)
    }

    async fn commit(self) -> Result<(), StoreError> {
        self.transaction
            .commit()
            .await
            .map_err(|_| StoreError::CommitUnknown)
    }
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Refused)
}

/// Tells what may pass from what will not. Anything unforeseen is taken as passing: a retry loses
/// nothing, and giving up would.
fn classify(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(database) => {
            use sqlx::error::ErrorKind as Kind;
            match database.kind() {
                Kind::UniqueViolation
                | Kind::ForeignKeyViolation
                | Kind::NotNullViolation
                | Kind::CheckViolation => StoreError::Refused,
                _ => StoreError::Unavailable,
            }
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Corrupt,
        _ => StoreError::Unavailable,
    }
}
