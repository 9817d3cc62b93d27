//! A connection in use, for no longer than a caller would wait.
//!
//! The server's own limits on statements are worth nothing while its host is frozen or out of
//! reach: then nobody answers, and TCP alone would wait for minutes. So every wait has a limit
//! here, also that for a connection to go back to its pool. What does not answer in time is closed
//! without a word, and the pool makes another.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Executor, Pool, raw_sql};
use tokio::sync::OwnedMutexGuard;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::classify;
use crate::store::StoreError;

/// How long an answer may take: longer than the server lets any statement take.
const PATIENCE: Duration = Duration::from_secs(6);

/// A turn to write, where writers take turns.
pub(super) type Turn = OwnedMutexGuard<()>;

/// A connection that is not in its pool. Dropped, it goes back there, without its transaction.
pub(crate) struct Held<DB>
where
    DB: sqlx::Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// None once it was closed.
    connection: Option<PoolConnection<DB>>,
    /// Whether a transaction may be open on it.
    in_transaction: bool,
    /// Whose turn it is to write; nobody else's before a transaction has ended.
    turn: Option<Turn>,
}

impl<DB> Held<DB>
where
    DB: sqlx::Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// One of the pool's, which waits for its own time.
    pub(super) async fn acquire(pool: &Pool<DB>) -> Result<Self, StoreError> {
        let connection = pool.acquire().await.map_err(classify)?;
        Ok(Self {
            connection: Some(connection),
            in_transaction: false,
            turn: None,
        })
    }

    /// One with a transaction on it. sqlx's own would be forgotten, open, by a future that is
    /// dropped while it begins.
    pub(super) async fn begin(
        pool: &Pool<DB>,
        statement: &'static str,
        turn: Option<Turn>,
    ) -> Result<Self, StoreError> {
        let mut held = Self::acquire(pool).await?;
        (held.in_transaction, held.turn) = (true, turn);
        held.control(statement).await?;
        Ok(held)
    }

    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        let result = self.control("COMMIT").await;
        result.map_err(|_| StoreError::CommitUnknown)?;
        self.in_transaction = false;
        Ok(())
    }

    async fn control(&mut self, statement: &'static str) -> Result<(), StoreError> {
        let connection = self.connection()?;
        let answer = in_time(connection.execute(raw_sql(statement))).await;
        self.judge(answer).map(drop)
    }

    pub(super) fn connection(&mut self) -> Result<&mut DB::Connection, StoreError> {
        let connection = self.connection.as_deref_mut();
        connection.ok_or(StoreError::Unavailable)
    }

    /// What an answer says; none in time, and the connection is of no use any more.
    pub(super) fn judge<T>(
        &mut self,
        answer: Result<sqlx::Result<T>, Elapsed>,
    ) -> Result<T, StoreError> {
        answer
            .map(|result| result.map_err(classify))
            .unwrap_or_else(|_| {
                drop(self.connection.take().map(PoolConnection::detach));
                Err(StoreError::Unavailable)
            })
    }
}

/// Waits for an answer.
pub(super) async fn in_time<T>(answer: impl Future<Output = T>) -> Result<T, Elapsed> {
    timeout(PATIENCE, answer).await
}

impl<DB> Drop for Held<DB>
where
    DB: sqlx::Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        let (in_transaction, turn) = (self.in_transaction, self.turn.take());
        tokio::spawn(async move {
            if in_transaction {
                let rollback = in_time((&mut *connection).execute(raw_sql("ROLLBACK"))).await;
                if !matches!(rollback, Ok(Ok(_))) {
                    drop(connection.detach());
                    return;
                }
            }
            drop(turn);
            // It is asked whether it still answers; if it does not, this closes it.
            let _ = in_time(connection.return_to_pool()).await;
        });
    }
}

impl<DB> std::fmt::Debug for Held<DB>
where
    DB: sqlx::Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Held")
    }
}
