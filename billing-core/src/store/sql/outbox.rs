//! The mirror outbox.

use serde::Deserialize;

use super::{SqlStore, json, only, parse};
use crate::mirror::{
    Dirty, LONGEST_BACK_OFF, MirrorRow, MirrorTime, Outbox, OutboxDepth, Retry, Sent, UnverifiedRow,
};
use crate::store::StoreError;

#[derive(Deserialize)]
struct Leased {
    #[serde(flatten)]
    row: UnverifiedRow,
    attempts: u32,
}

impl Outbox for SqlStore {
    async fn lease(
        &self,
        holder: &str,
        limit: u32,
        now: MirrorTime,
        until: MirrorTime,
    ) -> Result<Vec<Dirty>, StoreError> {
        let statements = self.statements();
        let latest = MirrorTime::from_timestamp(now.timestamp() + LONGEST_BACK_OFF);
        let parameters = [
            holder.to_owned(),
            until.to_string(),
            now.to_string(),
            limit.to_string(),
            latest.to_string(),
        ];
        if self
            .database
            .execute(&statements.lease, &parameters)
            .await?
            == 0
        {
            return Ok(Vec::new());
        }
        let leased: Vec<serde_json::Value> = parse(
            self.database
                .fetch(&statements.leased, &[holder.to_owned()])
                .await?,
        )?;
        let mut dirty: Vec<Dirty> = leased.into_iter().filter_map(readable).collect();
        dirty.sort_by_key(|dirty| dirty.row.updated_at);
        Ok(dirty)
    }

    async fn settle(
        &self,
        holder: &str,
        sent: &[Sent],
        retries: &[Retry],
    ) -> Result<(), StoreError> {
        let (statements, holder) = (self.statements(), holder.to_owned());
        let mut transaction = self.database.begin().await?;
        transaction
            .execute(&statements.done, &[holder.clone(), json(sent)?])
            .await?;
        transaction
            .execute(&statements.retry, &[holder.clone(), json(retries)?])
            .await?;
        transaction
            .execute(&statements.end_lease, &[holder])
            .await?;
        transaction.commit().await
    }

    async fn depth(&self) -> Result<OutboxDepth, StoreError> {
        only(self.database.fetch(&self.statements().depth, &[]).await?)
    }
}

/// A row that can't be read holds up no other: it stays in the outbox, and is told of.
fn readable(leased: serde_json::Value) -> Option<Dirty> {
    let read = || {
        let Leased { row, attempts } = serde_json::from_value(leased).ok()?;
        let row = MirrorRow::try_from(row).ok()?;
        Some(Dirty { row, attempts })
    };
    let dirty = read();
    if dirty.is_none() {
        tracing::error!(
            code = StoreError::Corrupt.code(),
            "a mirror row can't be read"
        );
    }
    dirty
}
