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
        let (latest, until) = (latest.to_string(), until.to_string());
        let parameters = [now.to_string(), latest, until.clone(), limit.to_string()];
        let mut transaction = self.database.begin().await?;
        let rows = transaction.fetch(&statements.to_lease, &parameters).await?;
        let leased: Vec<serde_json::Value> = parse(rows)?;
        if !leased.is_empty() {
            let ids: Vec<_> = leased.iter().map(|row| &row["queue_customer_id"]).collect();
            let parameters = [holder.to_owned(), until, json(&ids)?];
            transaction.execute(&statements.lease, &parameters).await?;
        }
        transaction.commit().await?;
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
        let sent_customers = sent.iter().map(|sent| &sent.customer);
        let customers = sent_customers.chain(retries.iter().map(|retry| &retry.customer));
        let customers = json(&customers.collect::<Vec<_>>())?;
        if !sent.is_empty() {
            let parameters = [holder.clone(), json(sent)?];
            transaction.execute(&statements.done, &parameters).await?;
        }
        if !retries.is_empty() {
            let parameters = [holder.clone(), json(retries)?];
            transaction.execute(&statements.retry, &parameters).await?;
        }
        transaction
            .execute(&statements.end_lease, &[holder, customers])
            .await?;
        transaction.commit().await
    }

    async fn depth(&self) -> Result<OutboxDepth, StoreError> {
        only(self.database.fetch(&self.statements().depth, &[]).await?)
    }
}

/// A row that can't be read holds up no other: it stays in the outbox until its lease is over, and
/// is told of.
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
