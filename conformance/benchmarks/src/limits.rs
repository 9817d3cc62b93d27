//! What the machine can do at all.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use test_database::{Engine, TestDatabase};

/// How long it takes to make a page of 8 KiB durable at the end of a file: the middle of many.
pub fn durable_write(folder: &Path) -> Result<Duration> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut times = Vec::new();
    for _ in 0..500 {
        let began = Instant::now();
        file.write_all(&[7; 8192])?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}

/// Whether PostgreSQL makes durable what it acknowledges.
pub async fn is_durable() -> Result<bool> {
    let database = TestDatabase::new(Engine::Postgres);
    let careless = "select count(*) from pg_settings
        where name in ('fsync', 'synchronous_commit', 'full_page_writes') and setting = 'off'";
    let pool = database.connect().await;
    let careless: i64 = sqlx::query_scalar(careless).fetch_one(&pool).await?;
    pool.close().await;
    Ok(careless == 0)
}
