//! `queue-server audit`: the chain's head, its rows, its verification.

use std::io::{BufWriter, Write};

use anyhow::Context;
use billing_core::audit::{Row, Verifier};
use billing_core::store::{AuditLog, SqlStore};

use crate::config::{AuditConfig, DatabaseConfig};

/// How often progress is shown, in rows.
const PROGRESS_ROWS: u64 = 100_000;

async fn open(config: &DatabaseConfig) -> anyhow::Result<SqlStore> {
    let store = SqlStore::open_existing(&config.url).await;
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
    let write = |row: Row| -> anyhow::Result<()> {
        serde_json::to_writer(&mut out, &row)?;
        Ok(out.write_all(b"\n")?)
    };
    each_row_after(&store, 0, write).await?;
    out.flush()?;
    Ok(())
}

pub(crate) async fn verify(config: &AuditConfig) -> anyhow::Result<()> {
    let store = open(&config.database).await?;
    let mut verifier = Verifier::new(&config.audit_key);
    let mut seen = 0;
    let head = loop {
        let last = each_row_after(&store, seen, |row| {
            verifier.take(&row)?;
            if row.seq.is_multiple_of(PROGRESS_ROWS) {
                eprintln!("{} rows are right", row.seq);
            }
            Ok(())
        })
        .await?;
        // Read after the rows: a head before them has been set back, one behind them is either
        // ahead of rows that were cut off or of rows that a running server just appended.
        let head = store.audit_head().await?;
        if head.seq <= last || last == seen {
            break head;
        }
        seen = last;
    };
    let rows = verifier.finish(&head)?;
    println!("the audit chain is whole: {rows} rows, head {}", head.mac);
    Ok(())
}

/// Hands on every row after a place, page by page, and says the last one's place.
async fn each_row_after(
    store: &SqlStore,
    mut seq: u64,
    mut hand_on: impl FnMut(Row) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    loop {
        let page = store
            .audit_rows_after(seq)
            .await
            .context("the audit chain can't be read")?;
        let Some(last) = page.last() else {
            return Ok(seq);
        };
        seq = last.seq;
        page.into_iter().try_for_each(&mut hand_on)?;
    }
}
