//! `queue-server audit`: the chain's head, its rows, its verification.

use std::io::{BufWriter, Write};

use anyhow::{Context, bail};
use billing_core::audit::{Row, Verifier};
use billing_core::store::{AuditLog, SqliteStore, StoreError};

use crate::config::{AuditConfig, DatabaseConfig};

/// How often progress is shown, in rows.
const PROGRESS_ROWS: u64 = 100_000;

async fn open(config: &DatabaseConfig) -> anyhow::Result<SqliteStore> {
    let store = SqliteStore::open_existing(&config.url).await;
    store.context("DATABASE_URL can't be opened: is there a database?")
}

pub(crate) async fn head(config: &DatabaseConfig) -> anyhow::Result<()> {
    let head = open(config).await?.audit_head().await?;
    println!("{}", serde_json::to_string(&head)?);
    Ok(())
}

pub(crate) async fn export(config: &DatabaseConfig) -> anyhow::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let store = open(config).await?;
    let head = store.audit_head().await?;
    let result = each_row(&store, head.seq, |row| {
        serde_json::to_writer(&mut out, &row)?;
        out.write_all(b"\n")?;
        Ok(())
    });
    result.await?;
    out.flush()?;
    Ok(())
}

pub(crate) async fn verify(config: &AuditConfig) -> anyhow::Result<()> {
    let store = open(&config.database).await?;
    // Rows that are appended meanwhile are not looked at: the chain is judged up to this head.
    let head = store.audit_head().await?;
    let mut verifier = Verifier::new(&config.audit_key);
    let result = each_row(&store, head.seq, |row| {
        verifier.take(&row)?;
        if row.seq.is_multiple_of(PROGRESS_ROWS) {
            eprintln!("{} of {} rows are right", row.seq, head.seq);
        }
        Ok(())
    });
    result.await?;
    let rows = verifier.finish(&head)?;
    println!("the audit chain is whole: {rows} rows, head {}", head.mac);
    Ok(())
}

/// Hands on every row up to a place, page by page.
async fn each_row(
    store: &SqliteStore,
    last: u64,
    mut hand_on: impl FnMut(Row) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut after = 0;
    while after < last {
        let page = store.audit_rows_after(after).await.map_err(unreadable)?;
        let Some(end) = page.last().map(|row| row.seq) else {
            return Ok(());
        };
        for row in page.into_iter().filter(|row| row.seq <= last) {
            hand_on(row)?;
        }
        if end <= after {
            bail!("the audit chain goes back at seq {after}");
        }
        after = end;
    }
    Ok(())
}

fn unreadable(error: StoreError) -> anyhow::Error {
    anyhow::Error::new(error).context("the audit chain can't be read")
}
