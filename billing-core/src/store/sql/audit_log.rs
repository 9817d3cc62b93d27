//! Reading the audit chain, page by page: constant memory whatever its length.

use super::{SqlStore, only, parse};
use crate::audit::{Head, Row};
use crate::store::{AuditLog, StoreError};

impl AuditLog for SqlStore {
    async fn audit_head(&self) -> Result<Head, StoreError> {
        only(
            self.database
                .fetch(&self.statements().read_head, &[])
                .await?,
        )
    }

    async fn audit_rows_after(&self, seq: u64) -> Result<Vec<Row>, StoreError> {
        let page = self
            .database
            .fetch(&self.statements().audit_page, &[seq.to_string()])
            .await?;
        let mut rows: Vec<Row> = parse(page)?;
        rows.sort_by_key(|row| row.seq);
        Ok(rows)
    }
}
