//! The mirror outbox.

use jiff::SignedDuration;
use serde::Deserialize;

use super::{SqlStore, json, only, parse};
use crate::id::CustomerId;
use crate::mirror::{
    Dirty, LONGEST_BACK_OFF, MirrorRow, MirrorTime, Outbox, OutboxDepth, Retry, Sent, UnverifiedRow,
};
use crate::store::StoreError;

/// How far the clocks of two servers may be apart: a lease that ends a little later than one from
/// here would is another server's, and one that ends much later a clock's that has gone back.
const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(5);

#[derive(Deserialize)]
struct Leased {
    #[serde(flatten)]
    row: UnverifiedRow,
    attempts: u32,
}

impl SqlStore {
    /// Those of these customers whose row waits for the mirror.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn waiting_among(
        &self,
        customers: &[CustomerId],
    ) -> Result<Vec<CustomerId>, StoreError> {
        #[derive(Deserialize)]
        struct Waiting {
            queue_customer_id: CustomerId,
        }
        let statement = &self.statements().waiting_among;
        let rows = self.database.fetch(statement, &[json(customers)?]).await?;
        let rows: Vec<Waiting> = parse(rows)?;
        Ok(rows.into_iter().map(|row| row.queue_customer_id).collect())
    }
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
        let horizon = MirrorTime::from_timestamp(until.timestamp() + CLOCKS_APART);
        let parameters = [now, latest, horizon].map(|time| time.to_string());
        let [now, latest, horizon] = parameters;
        let (parameters, until) = ([now, latest, horizon, limit.to_string()], until.to_string());
        let mut transaction = self.database.begin_forgettable().await?;
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
        let statements = self.statements();
        let mut transaction = self.database.begin_forgettable().await?;
        let sent_customers = sent.iter().map(|sent| &sent.customer);
        let customers = sent_customers.chain(retries.iter().map(|retry| &retry.customer));
        let customers = json(&customers.collect::<Vec<_>>())?;
        let customers = [customers];
        transaction.fetch(&statements.hold, &customers).await?;
        if !sent.is_empty() {
            let sent = [json(sent)?];
            transaction.execute(&statements.done, &sent).await?;
        }
        if !retries.is_empty() {
            let retries = [json(retries)?];
            transaction.execute(&statements.retry, &retries).await?;
        }
        let [customers] = customers;
        let ended = [holder.to_owned(), customers];
        transaction.execute(&statements.end_lease, &ended).await?;
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
