//! Reading the audit chain, page by page: constant memory whatever its length.

use std::sync::LazyLock;

use super::{SqliteStore, classify, tables};
use crate::audit::{Head, Row};
use crate::store::{AuditLog, StoreError};

static PAGE: LazyLock<String> = LazyLock::new(|| {
    tables::ACTION_LOG.select(
        "seq in (select seq from billing_action_log where seq > $1 order by seq limit 1000)",
    )
});

impl AuditLog for SqliteStore {
    async fn audit_head(&self) -> Result<Head, StoreError> {
        let query = sqlx::query_as("select seq, mac, key_check from billing_chain where id = 1");
        let (seq, mac, key_check): (i64, String, Option<String>) =
            query.fetch_one(&self.pool).await.map_err(classify)?;
        Ok(Head {
            seq: u64::try_from(seq).map_err(|_| StoreError::Corrupt)?,
            mac,
            key_check,
        })
    }

    async fn audit_rows_after(&self, seq: u64) -> Result<Vec<Row>, StoreError> {
        let seq = i64::try_from(seq).map_err(|_| StoreError::Corrupt)?;
        let query = sqlx::query_scalar::<_, String>(PAGE.as_str()).bind(seq);
        let json = query.fetch_one(&self.pool).await.map_err(classify)?;
        let mut rows: Vec<Row> = serde_json::from_str(&json).map_err(|_| StoreError::Corrupt)?;
        rows.sort_by_key(|row| row.seq);
        Ok(rows)
    }
}
