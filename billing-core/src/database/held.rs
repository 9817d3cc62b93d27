//! A connection in use, for no longer than a caller would wait.
//!
//! The server's own limits on statements are worth nothing while its host is frozen or out of
//! reach: then nobody answers, and TCP alone would wait for minutes. So every wait has a limit
//! here, also that for a connection to go back to its pool. What does not answer in time is closed
//! without a word, and another is made.

use std::time::Duration;

#[cfg(feature = "sqlite")]
use sqlx::Connection;
use sqlx::pool::PoolConnection;
use sqlx::{Executor, Pool, raw_sql};
use tokio::sync::OwnedMutexGuard;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::classify;
use crate::store::StoreError;

/// How long an answer may take: longer than the server lets any statement take.
const PATIENCE: Duration = Duration::from_secs(6);

/// A turn to write, where writers take turns, and the connection that goes from one to the next: none before the first,
/// or where they write over the pool's.
pub(super) type Turn<DB> = OwnedMutexGuard<Option<<DB as sqlx::Database>::Connection>>;

/// Where a connection is from, and goes back to.
enum Origin<DB: sqlx::Database> {
    Pool(PoolConnection<DB>, Option<Turn<DB>>),
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(dead_code, reason = "only SQLite's writers take turns")
    )]
    Writers(DB::Connection, Turn<DB>),
}

impl<DB: sqlx::Database> Origin<DB> {
    fn get(&mut self) -> &mut DB::Connection {
        match self {
            Self::Pool(connection, _) => connection,
            Self::Writers(connection, _) => connection,
        }
    }

    /// Without a word; the turn is the next one's.
    fn close(self) {
        match self {
            Self::Pool(connection, _) => drop(connection.detach()),
            Self::Writers(connection, _) => drop(connection),
        }
    }
}

/// A connection in use. Dropped, it goes back to where it is from, without its transaction.
pub(crate) struct Held<DB>
where
    DB: sqlx::Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// None once it was closed.
    origin: Option<Origin<DB>>,
    /// Whether a transaction may be open on it.
    in_transaction: bool,
}

impl<DB> Held<DB>
where
    DB: sqlx::Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// One of the pool's, which waits for its own time.
    pub(super) async fn acquire(pool: &Pool<DB>) -> Result<Self, StoreError> {
        Self::acquire_in_turn(pool, None).await
    }

    /// The same, in whose turn it is, where there are turns.
    pub(super) async fn acquire_in_turn(
        pool: &Pool<DB>,
        turn: Option<Turn<DB>>,
    ) -> Result<Self, StoreError> {
        let connection = pool.acquire().await.map_err(classify)?;
        Ok(Self {
            origin: Some(Origin::Pool(connection, turn)),
            in_transaction: false,
        })
    }

    /// The one that the last writer left, with its pages in memory; made where there is none yet.
    #[cfg(feature = "sqlite")]
    pub(super) async fn take_over(pool: &Pool<DB>, mut turn: Turn<DB>) -> Result<Self, StoreError> {
        if pool.is_closed() {
            return Err(StoreError::Unavailable);
        }
        let connection = match turn.take() {
            Some(connection) => connection,
            None => {
                let options = pool.connect_options();
                let connection = in_time(DB::Connection::connect_with(&options)).await;
                let connection = connection.map_err(|_| StoreError::Unavailable)?;
                connection.map_err(classify)?
            }
        };
        Ok(Self {
            origin: Some(Origin::Writers(connection, turn)),
            in_transaction: false,
        })
    }

    /// Begins a transaction. sqlx's own would be forgotten, open, by a future that is dropped while it begins.
    pub(super) async fn begin(mut self, statement: &'static str) -> Result<Self, StoreError> {
        self.in_transaction = true;
        self.control(statement).await?;
        Ok(self)
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
        let connection = self.origin.as_mut().map(Origin::get);
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
                if let Some(connection) = self.origin.take() {
                    connection.close();
                }
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
        let Some(mut connection) = self.origin.take() else {
            return;
        };
        let in_transaction = self.in_transaction;
        if !in_transaction && let Origin::Writers(connection, mut turn) = connection {
            *turn = Some(connection);
            return;
        }
        tokio::spawn(async move {
            if in_transaction {
                let rollback = in_time(connection.get().execute(raw_sql("ROLLBACK"))).await;
                if !matches!(rollback, Ok(Ok(_))) {
                    connection.close();
                    return;
                }
            }
            match connection {
                Origin::Writers(connection, mut turn) => *turn = Some(connection),
                // It is asked whether it still answers; if it does not, this closes it.
                Origin::Pool(mut connection, turn) => {
                    drop(turn);
                    let _ = in_time(connection.return_to_pool()).await;
                }
            }
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
