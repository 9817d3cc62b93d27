//! PostgreSQL: what production runs on.
//!
//! Statements are bounded in time, so that a lock that somebody else holds, or a server that
//! hangs, ends in an error that a caller hears of in time, and not in a queue that grows.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, Executor, raw_sql};

use super::classify;
use crate::store::StoreError;

/// How long a caller waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a connection to Queue's own database that has answered is taken to answer still, and not asked again before
/// it is used.
const ANSWERS_FOR: Duration = Duration::from_secs(1);
/// Connections to write over, apart: one is in use while the other goes back.
const APART: u32 = 2;
/// Connections unless told otherwise: one writes (where that is not done apart), one fans out, the others read.
const MAX_CONNECTIONS: u32 = 8;
/// What every connection is set to: no statement, and no wait for a lock, outlasts a caller; and a
/// commit is durable when it returns, whatever the database is set to, unless its transaction says otherwise.
const SETTINGS: &str = "set statement_timeout = '5s'; set lock_timeout = '4s';
    set idle_in_transaction_session_timeout = '10s'; set timezone = 'UTC';
    select set_config('synchronous_commit', 'on', false)
        where current_setting('synchronous_commit') = 'off'";
/// What those to Queue's own database are set to as well, where it knows that. Every statement there
/// finds its rows by an index, also what it joins: what a database believes of tables that were
/// empty a minute ago, and of plans made then, must not have it read them whole.
const OWN_SETTINGS: &str = "select set_config(name, 'off', false) from pg_settings
    where name in ('enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'jit')";

pub(super) async fn open(url: &str, at_most: Option<NonZeroU32>) -> Result<PgPool, StoreError> {
    let (pool, options) = prepare(url, at_most, &[SETTINGS, OWN_SETTINGS])?;
    let pool = pool
        .test_before_acquire(false)
        .before_acquire(|connection, known| {
            Box::pin(async move {
                if known.idle_for > ANSWERS_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        });
    pool.connect_with(options).await.map_err(classify)
}

pub(super) fn open_foreign(url: &str, at_most: Option<NonZeroU32>) -> Result<PgPool, StoreError> {
    let (pool, options) = prepare(url, at_most, &[SETTINGS])?;
    Ok(pool.connect_lazy_with(options))
}

/// Connections to the same database for one writer, which belong to the runtime that asks for them; none where one is
/// to do for everything.
pub(super) fn apart(pool: &PgPool) -> Option<PgPool> {
    let pool_options = pool.options().clone();
    if pool_options.get_max_connections() == 1 {
        return None;
    }
    let options = PgConnectOptions::clone(&pool.connect_options());
    // Kept while nothing is written: a database that is full of others' connections stops no commit.
    let apart = pool_options.max_connections(APART).idle_timeout(None);
    Some(apart.connect_lazy_with(options))
}

fn prepare(
    url: &str,
    at_most: Option<NonZeroU32>,
    settings: &'static [&'static str],
) -> Result<(PgPoolOptions, PgConnectOptions), StoreError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| StoreError::Unavailable)?;
    let pool = PgPoolOptions::new()
        .max_connections(at_most.map_or(MAX_CONNECTIONS, NonZeroU32::get))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                for setting in settings {
                    connection.execute(raw_sql(*setting)).await?;
                }
                Ok(())
            })
        });
    Ok((pool, options))
}

/// Connections to the same database for its migrations, which take the time they take: a wait for
/// another server's, an index over all that there is.
pub(super) fn for_migrations(pool: &PgPool) -> PgPool {
    let options = PgConnectOptions::clone(&pool.connect_options());
    PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(options)
}
