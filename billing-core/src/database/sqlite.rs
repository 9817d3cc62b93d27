//! SQLite: what `cargo` alone runs the whole system on.
//!
//! WAL lets readers go on while one writes; `synchronous = FULL` makes a commit durable before it
//! returns.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, SqliteConnection};

use super::{Limits, classify};
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

/// Opens Queue's own database.
pub(super) async fn open(
    url: &str,
    create_if_missing: bool,
    at_most: Option<NonZeroU32>,
) -> Result<SqlitePool, StoreError> {
    let options = options(url)?.create_if_missing(create_if_missing);
    // Each connection to an in-memory database would see one of its own.
    let in_memory =
        options.get_filename() == std::path::Path::new(":memory:") || url.contains("mode=memory");
    if !in_memory {
        switch_to_wal(&options).await?;
    }
    let at_most = if in_memory {
        Some(NonZeroU32::MIN)
    } else {
        at_most
    };
    let pool = pool(at_most);
    pool.connect_with(options).await.map_err(classify)
}

pub(super) fn open_foreign(url: &str, limits: Limits) -> Result<SqlitePool, StoreError> {
    let mut options = options(url)?;
    if let Some(busy_timeout) = limits.busy_timeout {
        options = options.busy_timeout(busy_timeout);
    }
    Ok(pool(limits.connections).connect_lazy_with(options))
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

fn pool(at_most: Option<NonZeroU32>) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(at_most.map_or(MAX_CONNECTIONS, NonZeroU32::get))
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
            Ok(connection) => return connection.close().await.map_err(classify),
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
