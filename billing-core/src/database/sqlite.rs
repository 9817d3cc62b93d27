//! SQLite: what `cargo` alone runs the whole system on.
//!
//! WAL lets readers go on while one writes; `synchronous = FULL` makes a commit durable before it
//! returns, of all that may not be forgotten.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join;
use sqlx::error::DatabaseError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, Sqlite, SqliteConnection};
use tokio::sync::Mutex;

use super::held::{Held, in_time};
use super::{Durable, Limits, classify};
use crate::store::StoreError;

/// How long a writer waits for another process's transaction before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How often, and how far apart, a new database is asked for its write-ahead log.
const WAL_TRIES: u32 = 100;
const WAL_PAUSE: Duration = Duration::from_millis(50);
/// Each connection's pages in memory: negative, in KiB.
const CACHE_SIZE: &str = "-16384";
/// Pages in the log, of 4 KiB, after which they go to the database itself: what is changed again
/// and again until then is written there once.
const WAL_PAGES: &str = "8000";
/// Connections unless told otherwise: one writes at a time, the others read.
const MAX_CONNECTIONS: u32 = 4;
/// What each connection's thread is called; Linux shows no more than 15 bytes.
pub(crate) const THREAD_NAME: &str = "billing-sqlite";

/// Writers of this process, one after the other: SQLite itself would have whoever waits try again now and then.
#[derive(Debug, Clone, Default)]
pub(crate) struct Writers {
    turn: Arc<Mutex<Option<SqliteConnection>>>,
    /// Whether they have a connection of their own, which is not one of the pool's: over one that has not written last, each
    /// would find what it had in memory out of date.
    own_connection: bool,
}

impl Writers {
    /// A transaction, when it is this writer's turn. It has the write lock at once: what is decided on must be what is
    /// there.
    pub(super) async fn begin(
        &self,
        pool: &SqlitePool,
        durable: Durable,
    ) -> Result<Held<Sqlite>, StoreError> {
        let turn = in_time(Arc::clone(&self.turn).lock_owned()).await;
        let turn = turn.map_err(|_| StoreError::Unavailable)?;
        if !self.own_connection {
            let held = Held::acquire_in_turn(pool, Some(turn)).await?;
            return held.begin("BEGIN IMMEDIATE").await;
        }
        let held = Held::take_over(pool, turn).await?;
        let begin = match durable {
            Durable::OnCommit => "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
            Durable::WithTheNext => "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
        };
        held.begin(begin).await
    }

    /// Ends all connections, the pool's too, after the transactions in progress.
    pub(super) async fn close(&self, pool: &SqlitePool) {
        // From here on nobody gets one, also of those who wait for their turn.
        let readers = pool.close();
        let writers = async {
            if let Some(connection) = self.turn.lock().await.take() {
                let _ = connection.close().await;
            }
        };
        join(readers, writers).await;
    }
}

/// Opens Queue's own database.
pub(super) async fn open(
    url: &str,
    create_if_missing: bool,
    at_most: Option<NonZeroU32>,
) -> Result<(SqlitePool, Writers), StoreError> {
    let options = options(url)?.create_if_missing(create_if_missing);
    // Each connection to an in-memory database would see one of its own.
    let in_memory =
        options.get_filename() == std::path::Path::new(":memory:") || url.contains("mode=memory");
    if !in_memory {
        switch_to_wal(&options).await?;
    }
    let at_most = at_most.map_or(MAX_CONNECTIONS, NonZeroU32::get);
    let own_connection = at_most > 1 && !in_memory;
    let readers = if own_connection { at_most - 1 } else { 1 };
    let pool = pool(readers)
        .connect_with(options)
        .await
        .map_err(classify)?;
    let writers = Writers {
        own_connection,
        ..Writers::default()
    };
    Ok((pool, writers))
}

pub(super) fn open_foreign(url: &str, limits: Limits) -> Result<SqlitePool, StoreError> {
    let mut options = options(url)?;
    if let Some(busy_timeout) = limits.busy_timeout {
        options = options.busy_timeout(busy_timeout);
    }
    let at_most = limits.connections.map_or(MAX_CONNECTIONS, NonZeroU32::get);
    Ok(pool(at_most).connect_lazy_with(options))
}

fn options(url: &str) -> Result<SqliteConnectOptions, StoreError> {
    let options = SqliteConnectOptions::from_str(url).map_err(|_| StoreError::Unavailable)?;
    Ok(options
        .thread_name(|_| THREAD_NAME.to_owned())
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("cache_size", CACHE_SIZE)
        .pragma("wal_autocheckpoint", WAL_PAGES))
}

fn pool(at_most: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(at_most)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(BUSY_TIMEOUT)
        .test_before_acquire(false)
}

/// Switches a database to its write-ahead log, for good. Done once, by one connection: the switch
/// needs the database to itself and does not wait for it, whatever the busy timeout, so that two
/// processes that open a new database at once would trip over each other.
async fn switch_to_wal(options: &SqliteConnectOptions) -> Result<(), StoreError> {
    let options = options.clone().journal_mode(SqliteJournalMode::Wal);
    for _ in 0..WAL_TRIES {
        match SqliteConnection::connect_with(&options).await {
            Ok(mut connection) => {
                let mode = sqlx::query_scalar::<_, String>("PRAGMA journal_mode");
                let mode = mode.fetch_one(&mut connection).await.map_err(classify)?;
                connection.close().await.map_err(classify)?;
                // Without its log, what may be forgotten could take with it what may not.
                let is_wal = mode == "wal";
                return is_wal.then_some(()).ok_or(StoreError::Unavailable);
            }
            Err(sqlx::Error::Database(error)) if is_busy(error.as_ref()) => {
                tokio::time::sleep(WAL_PAUSE).await;
            }
            Err(error) => return Err(classify(error)),
        }
    }
    Err(StoreError::Unavailable)
}

/// SQLITE_BUSY and SQLITE_LOCKED, with any extension.
fn is_busy(error: &dyn DatabaseError) -> bool {
    let code = error.code().and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

#[cfg(test)]
mod tests {
    use super::super::Database;
    use super::*;

    async fn database(folder: &tempfile::TempDir) -> Database {
        let path = folder.path().join("queue.db");
        Database::open(&format!("sqlite://{}", path.display()), true, None)
            .await
            .unwrap()
    }

    async fn synchronous(database: &Database, forgettable: bool) -> Option<String> {
        let mut transaction = match forgettable {
            true => database.begin_forgettable().await.unwrap(),
            false => database.begin().await.unwrap(),
        };
        let synchronous = "select cast(synchronous as text) from pragma_synchronous";
        let synchronous = transaction.fetch(synchronous, &[]).await.unwrap();
        transaction.commit().await.unwrap();
        synchronous
    }

    /// Over one connection, in any order: 2 is `FULL`, 1 `NORMAL`.
    #[tokio::test]
    async fn only_what_may_be_forgotten_does_not_wait_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let database = database(&folder).await;
        for forgettable in [false, true, true, false] {
            let expected = if forgettable { "1" } else { "2" };
            let found = synchronous(&database, forgettable).await;
            assert_eq!(found.as_deref(), Some(expected));
        }
    }

    #[tokio::test]
    async fn nobody_writes_over_a_database_that_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let database = database(&folder).await;
        let open = database.begin().await.unwrap();
        let closing = tokio::spawn({
            let database = database.clone();
            async move { database.close().await }
        });
        tokio::task::yield_now().await;
        assert!(!closing.is_finished(), "a transaction is in progress");
        assert!(database.is_closed());
        drop(open);
        closing.await.unwrap();
        let begun = database.begin().await.map(drop);
        assert_eq!(begun, Err(StoreError::Unavailable));
        // Whoever is last takes the log with them.
        assert!(!folder.path().join("queue.db-wal").exists());
    }
}
