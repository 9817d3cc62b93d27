//! The mirror outbox on SQLite.

use serde_json::json;

use super::{SqliteStore, classify};
use crate::mirror::{Dirty, MirrorTime, Outbox, OutboxDepth, Retry, Sent};
use crate::store::{MirrorState, StoreError};

const LEASE: &str = "update mirror_outbox set lease_holder = $1, lease_until = $2
    where queue_customer_id in (
        select queue_customer_id from mirror_outbox
        where due_at <= $3 and (lease_until is null or lease_until <= $3)
        order by due_at limit $4)";
const DONE: &str = "delete from mirror_outbox
    where lease_holder = $1 and (queue_customer_id, version) in
        (select json_extract(value, '$[0]'), json_extract(value, '$[1]') from json_each($2))";
const RETRY: &str = "update mirror_outbox
    set attempts = attempts + 1, due_at = retry.due_at
    from (select json_extract(value, '$[0]') as id, json_extract(value, '$[1]') as version,
                 json_extract(value, '$[2]') as due_at from json_each($2)) as retry
    where lease_holder = $1 and queue_customer_id = retry.id and mirror_outbox.version = retry.version";
const RELEASE: &str =
    "update mirror_outbox set lease_holder = null, lease_until = null where lease_holder = $1";

impl Outbox for SqliteStore {
    async fn lease(
        &self,
        holder: &str,
        limit: u32,
        now: MirrorTime,
        until: MirrorTime,
    ) -> Result<Vec<Dirty>, StoreError> {
        let query = sqlx::query(LEASE)
            .bind(holder)
            .bind(until.to_string())
            .bind(now.to_string())
            .bind(limit);
        if query
            .execute(&self.pool)
            .await
            .map_err(classify)?
            .rows_affected()
            == 0
        {
            return Ok(Vec::new());
        }
        let query = sqlx::query_as::<_, (String, i64)>(
            "select json_object('queue_customer_id', m.queue_customer_id, 'plan_tier', m.plan_tier,
                    'status', m.status, 'current_period_end', m.current_period_end,
                    'updated_at', m.updated_at, 'next_deadline', m.next_deadline), o.attempts
             from mirror_outbox o join mirror_row m using (queue_customer_id)
             where o.lease_holder = $1 order by m.updated_at",
        );
        let rows = query
            .bind(holder)
            .fetch_all(&self.pool)
            .await
            .map_err(classify)?;
        rows.into_iter()
            .map(|(row, attempts)| {
                let state: MirrorState =
                    serde_json::from_str(&row).map_err(|_| StoreError::Corrupt)?;
                Ok(Dirty {
                    row: state.row(),
                    attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
                })
            })
            .collect()
    }

    async fn settle(
        &self,
        holder: &str,
        sent: &[Sent],
        retries: &[Retry],
    ) -> Result<(), StoreError> {
        let sent: Vec<_> = sent
            .iter()
            .map(|sent| json!([sent.customer, sent.version]))
            .collect();
        let retries: Vec<_> = retries
            .iter()
            .map(|retry| json!([retry.customer, retry.version, retry.due_at]))
            .collect();
        let mut transaction = self
            .pool
            .begin_with("begin immediate")
            .await
            .map_err(classify)?;
        for (statement, rows) in [(DONE, sent), (RETRY, retries)] {
            let rows = serde_json::Value::Array(rows).to_string();
            let query = sqlx::query(statement).bind(holder).bind(rows);
            query.execute(&mut *transaction).await.map_err(classify)?;
        }
        sqlx::query(RELEASE)
            .bind(holder)
            .execute(&mut *transaction)
            .await
            .map_err(classify)?;
        transaction.commit().await.map_err(classify)
    }

    async fn depth(&self) -> Result<OutboxDepth, StoreError> {
        let query = sqlx::query_as::<_, (i64, Option<String>)>(
            "select count(*), min(dirty_since) from mirror_outbox",
        );
        let (waiting, oldest) = query.fetch_one(&self.pool).await.map_err(classify)?;
        let oldest = oldest
            .map(|text| MirrorTime::parse(&text).ok_or(StoreError::Corrupt))
            .transpose()?;
        Ok(OutboxDepth {
            waiting: u64::try_from(waiting).unwrap_or_default(),
            oldest,
        })
    }
}
