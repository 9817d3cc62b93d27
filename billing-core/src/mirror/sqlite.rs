//! A mirror in a SQLite database: a sink for Queue, a reader for gates.

use sqlx::sqlite::SqlitePool;

use super::{MirrorError, MirrorReader, MirrorRow, MirrorSink, SinkError, UnverifiedRow};
use crate::id::CustomerId;
use crate::store::{StoreError, open_sqlite};

/// `billing_subscription_mirror` in a SQLite database.
#[derive(Debug, Clone)]
pub struct SqliteMirror {
    pool: SqlitePool,
}

const READ: &str = "select queue_customer_id, plan_tier, status, current_period_end, updated_at
    from billing_subscription_mirror where queue_customer_id = $1";

/// The guard makes it idempotent in any order: only a newer version changes a row (M2).
const APPLY: &str = "insert into billing_subscription_mirror
        (queue_customer_id, plan_tier, status, current_period_end, updated_at)
    select json_extract(value, '$.queue_customer_id'), json_extract(value, '$.plan_tier'),
           json_extract(value, '$.status'), json_extract(value, '$.current_period_end'),
           json_extract(value, '$.updated_at')
    from json_each($1) where true
    on conflict (queue_customer_id) do update
    set plan_tier = excluded.plan_tier, status = excluded.status,
        current_period_end = excluded.current_period_end, updated_at = excluded.updated_at
    where excluded.updated_at > billing_subscription_mirror.updated_at";

impl SqliteMirror {
    /// Opens the database of a URL such as `sqlite://app.db`; makes the file if it is not there.
    /// Runs no migration: the table belongs to the service beside it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it can't be opened.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Ok(Self {
            pool: open_sqlite(url, true).await?,
        })
    }

    /// A mirror over connections of the host's.
    #[must_use]
    pub fn with_pool(pool: SqlitePool) -> Self {
        Self { pool }
    }

    /// Makes the table, for hosts that have no migrations of their own.
    ///
    /// # Errors
    /// A [`billing_migrations::MigrationError`].
    pub async fn migrate(&self) -> Result<(), billing_migrations::MigrationError> {
        billing_migrations::Sqlite::new(&self.pool, billing_migrations::Schema::Mirror)
            .migrate()
            .await
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl MirrorReader for SqliteMirror {
    async fn read(&self, customer: &CustomerId) -> Result<Option<MirrorRow>, MirrorError> {
        let query = sqlx::query_as::<_, (String, String, String, Option<String>, String)>(READ);
        let row = query
            .bind(customer.as_str())
            .fetch_optional(&self.pool)
            .await;
        let Some(row) = row.map_err(|_| MirrorError::Unavailable)? else {
            return Ok(None);
        };
        let (queue_customer_id, plan_tier, status, current_period_end, updated_at) = row;
        let row = UnverifiedRow {
            queue_customer_id,
            plan_tier,
            status,
            current_period_end,
            updated_at,
        };
        Ok(Some(MirrorRow::try_from(row)?))
    }
}

impl MirrorSink for SqliteMirror {
    async fn apply(&self, rows: &[MirrorRow]) -> Result<(), SinkError> {
        let rows = serde_json::to_string(rows).map_err(|_| SinkError::Refused)?;
        match sqlx::query(APPLY).bind(rows).execute(&self.pool).await {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(error)) if error.message().starts_with("no such table") => {
                Err(SinkError::TableMissing)
            }
            Err(sqlx::Error::Database(error)) if error.is_check_violation() => {
                Err(SinkError::Refused)
            }
            Err(_) => Err(SinkError::Unavailable),
        }
    }
}
