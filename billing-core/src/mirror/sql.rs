//! A mirror in a SQL database: a sink for Queue, a reader for gates.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::{
    BatchReader, Coalescing, MirrorError, MirrorReader, MirrorRow, MirrorSink, MirrorTime,
    SinkError, UnverifiedRow,
};
use crate::database::{Database, Dialect, Insert, Kind, Limits, PerDialect};
use crate::id::CustomerId;
use crate::store::StoreError;

/// Why a mirror could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The database can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The table can't be made.
    #[error(transparent)]
    Migration(#[from] billing_migrations::MigrationError),
}

/// `billing_subscription_mirror` in a database.
#[derive(Debug, Clone)]
pub struct SqlMirror {
    pub(super) database: Database,
}

/// The columns of a mirror row.
pub(crate) const COLUMNS: [(&str, Kind); 5] = [
    ("queue_customer_id", Kind::Text),
    ("plan_tier", Kind::Text),
    ("status", Kind::Text),
    ("current_period_end", Kind::Instant),
    ("updated_at", Kind::Instant),
];

struct Statements {
    read: String,
    page: String,
    set_back: String,
    apply: Insert,
}

impl Statements {
    fn of(dialect: Dialect) -> &'static Self {
        static STATEMENTS: PerDialect<Statements> = PerDialect::new();
        STATEMENTS.get(dialect, Self::build)
    }

    fn build(sql: Dialect) -> Self {
        let table = "billing_subscription_mirror";
        Self {
            read: sql.rows(
                COLUMNS,
                &format!("{table} where {}", sql.among("queue_customer_id", 1)),
            ),
            page: sql.rows(
                COLUMNS,
                &format!(
                    "(select * from {table} where queue_customer_id > $1
                      order by queue_customer_id limit {}) as page",
                    sql.parameter(2, Kind::Integer)
                ),
            ),
            set_back: format!(
                "update {table} set updated_at = {}
                 where queue_customer_id = $1
                   and (updated_at is null or updated_at > {} or {} = $2)",
                sql.parameter(4, Kind::Instant),
                sql.parameter(3, Kind::Instant),
                sql.json("updated_at", Kind::Instant)
            ),
            // The guard makes it idempotent in any order: only a newer version changes a row (M2).
            apply: Insert::new(
                table,
                COLUMNS.to_vec(),
                "on conflict (queue_customer_id) do update
                 set plan_tier = excluded.plan_tier, status = excluded.status,
                     current_period_end = excluded.current_period_end,
                     updated_at = excluded.updated_at
                 where excluded.updated_at > billing_subscription_mirror.updated_at",
            ),
        }
    }
}

impl SqlMirror {
    /// What the threads are called in which SQLite runs, one a connection: for whoever must know that
    /// none of them is left.
    #[cfg(feature = "sqlite")]
    pub const SQLITE_THREAD_NAME: &str = crate::database::SQLITE_THREAD_NAME;

    /// The mirror in the database of a URL, such as `sqlite://app.db` or `postgres://app@db/app`.
    /// It belongs to the service beside it: nothing is made or changed in it but rows, and it need
    /// not be there yet. Connections are made when they are wanted.
    ///
    /// # Errors
    /// [`StoreError::UnknownScheme`], or [`StoreError::Unavailable`] when the URL is malformed.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_within(url, Limits::default())
    }

    /// The same with so many connections at most. Unless told, 8 to PostgreSQL and 4 to SQLite.
    ///
    /// # Errors
    /// As [`SqlMirror::open`].
    pub fn open_at_most(url: &str, connections: Option<NonZeroU32>) -> Result<Self, StoreError> {
        let limits = Limits {
            connections,
            ..Limits::default()
        };
        Self::open_within(url, limits)
    }

    /// The same within limits.
    ///
    /// # Errors
    /// As [`SqlMirror::open`].
    pub fn open_within(url: &str, limits: Limits) -> Result<Self, StoreError> {
        Ok(Self {
            database: Database::open_foreign(url, limits)?,
        })
    }

    /// Makes the table, for hosts that have no migrations of their own, and SQLite's file with it.
    ///
    /// # Errors
    /// [`CreateError`].
    pub async fn create(url: &str) -> Result<Self, CreateError> {
        let database = Database::open(url, true, None).await?;
        Ok(Self::make(database).await?)
    }

    pub(crate) async fn make(
        database: Database,
    ) -> Result<Self, billing_migrations::MigrationError> {
        database.migrate(billing_migrations::Schema::Mirror).await?;
        Ok(Self { database })
    }

    async fn write(&self, rows: &[&MirrorRow]) -> Result<(), StoreError> {
        let apply = &Statements::of(self.database.dialect()).apply;
        let mut transaction = self.database.begin().await?;
        let rows = transaction.inserts().with(apply, rows)?;
        transaction.insert(rows).await?;
        transaction.commit().await
    }

    /// Whether [`SqlMirror::close`] was called, of this or a clone: it answers nothing any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.database.is_closed()
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

impl SqlMirror {
    /// The same mirror with reads gathered into few queries, at most so many at once: for gates
    /// with many requests. Needs a tokio runtime.
    #[must_use]
    pub fn coalescing(self, queries_at_once: usize) -> Coalescing {
        Coalescing::new(self, queries_at_once)
    }
}

/// What finds and mends rows that somebody else wrote (M5).
impl SqlMirror {
    /// The next rows after a customer's, so many at most, in the order in which the database has them.
    ///
    /// # Errors
    /// [`MirrorError::Unavailable`].
    pub async fn rows_after(
        &self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<UnverifiedRow>, MirrorError> {
        let statement = &Statements::of(self.database.dialect()).page;
        let parameters = [after.to_owned(), limit.to_string()];
        self.rows(statement, &parameters).await
    }

    /// Makes a row older than any, whose version can't be read or is beyond a horizon: nothing that is sent would be
    /// newer. A row that has got another version meanwhile stays as it is.
    ///
    /// # Errors
    /// [`MirrorError::Unavailable`].
    pub async fn set_back(
        &self,
        row: &UnverifiedRow,
        horizon: MirrorTime,
    ) -> Result<(), MirrorError> {
        let statement = &Statements::of(self.database.dialect()).set_back;
        let parameters = [
            row.queue_customer_id.clone(),
            row.updated_at.clone(),
            horizon.to_string(),
            MirrorTime::EPOCH.to_string(),
        ];
        let set_back = async {
            let mut transaction = self.database.begin().await?;
            transaction.execute(statement, &parameters).await?;
            transaction.commit().await
        };
        set_back
            .await
            .map_err(|_: StoreError| MirrorError::Unavailable)
    }

    async fn rows(
        &self,
        statement: &'static str,
        parameters: &[String],
    ) -> Result<Vec<UnverifiedRow>, MirrorError> {
        let rows = self.database.fetch(statement, parameters).await;
        let rows = rows.ok().flatten().ok_or(MirrorError::Unavailable)?;
        serde_json::from_str(&rows).map_err(|_| MirrorError::Unavailable)
    }
}

impl BatchReader for SqlMirror {
    async fn read_many(&self, customers: &[CustomerId]) -> Result<Vec<UnverifiedRow>, MirrorError> {
        let statement = &Statements::of(self.database.dialect()).read;
        let customers = serde_json::to_string(customers).map_err(|_| MirrorError::Unavailable)?;
        self.rows(statement, &[customers]).await
    }
}

impl MirrorReader for SqlMirror {
    async fn read(&self, customer: &CustomerId) -> Result<Option<MirrorRow>, MirrorError> {
        let rows = self.read_many(std::slice::from_ref(customer)).await?;
        Ok(rows
            .into_iter()
            .next()
            .map(MirrorRow::try_from)
            .transpose()?)
    }
}

impl MirrorSink for SqlMirror {
    async fn apply(&self, rows: &[MirrorRow]) -> Result<(), SinkError> {
        // A statement may change a row but once.
        let mut newest: BTreeMap<&CustomerId, &MirrorRow> = BTreeMap::new();
        for row in rows {
            let known = newest.entry(&row.queue_customer_id).or_insert(row);
            if row.updated_at > known.updated_at {
                *known = row;
            }
        }
        let newest: Vec<&MirrorRow> = newest.into_values().collect();
        match self.write(&newest).await {
            Ok(()) => Ok(()),
            Err(StoreError::TableMissing) => Err(SinkError::TableMissing),
            Err(StoreError::Refused) => Err(SinkError::Refused),
            Err(_) => Err(SinkError::Unavailable),
        }
    }
}
