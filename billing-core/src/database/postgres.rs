//! PostgreSQL: what production runs on.
//!
//! Statements are bounded in time, so that a lock that somebody else holds, or a server that
//! hangs, ends in an error that a caller hears of in time, and not in a queue that grows.

use std::str::FromStr;
use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::classify;
use crate::store::StoreError;

/// How long a caller waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Connections: one writes, one fans out, the others read.
const MAX_CONNECTIONS: u32 = 8;
/// What every connection is set to: no statement, and no wait for a lock, outlasts a caller.
const SETTINGS: &str = "set statement_timeout = '5s'; set lock_timeout = '4s';
    set idle_in_transaction_session_timeout = '10s'; set timezone = 'UTC'";

pub(super) async fn open(url: &str) -> Result<PgPool, StoreError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| StoreError::Unavailable)?;
    let pool = PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(SETTINGS).await.map(drop) })
        });
    pool.connect_with(options).await.map_err(classify)
}
