//! Measures the running server and the gate's reads, and writes it down.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use benchmarks::ingest::{self, Amounts};
use benchmarks::report::Report;
use benchmarks::{limits, machine, reads, reconcile, wheel};
use clap::{Parser, ValueEnum};
use test_database::{Engine, TestDatabase, postgres_is_at_hand};

/// Measures the running server and the gate's reads. `cargo xtask bench` calls it with what it
/// needs.
#[derive(Debug, Parser)]
struct Args {
    /// The server to measure.
    #[arg(long)]
    server: PathBuf,
    /// Where criterion keeps what it measured of the pure code; none: leave that out.
    #[arg(long)]
    criterion: Option<PathBuf>,
    /// The folder for PERFORMANCE.md and performance.svg; none: print the document.
    #[arg(long)]
    write: Option<PathBuf>,
    /// A Python with the wheel and asyncpg; none: leave the wheel out.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Send the Nth part of the events.
    #[arg(long, value_name = "N", default_value_t = 1)]
    part: u64,
    /// Measure one store only.
    #[arg(long, value_enum)]
    store: Option<Store>,
}

/// Requests whose reads of the mirror are under way at once.
const READS_AT_ONCE: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    Sqlite,
    Postgres,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let amounts = Amounts {
        sign_ups: 40_000 / args.part,
        customers: [1000, 10_000, 100_000, 1_000_000]
            .map(|n| n / args.part)
            .to_vec(),
        updates: 40_000 / args.part,
        alone: 2000 / args.part,
    };
    let server = args
        .server
        .canonicalize()
        .context("there is no server at that path")?;
    let load = machine::load();
    let folder = TestDatabase::new(Engine::Sqlite);
    let durable_write = limits::durable_write(&folder.path(""))?;
    let (mut stores, mut reads, mut wheel) = (Vec::new(), None, None);
    for (name, engine, store) in [
        ("SQLite", Engine::Sqlite, Store::Sqlite),
        ("PostgreSQL", Engine::Postgres, Store::Postgres),
    ] {
        if args.store.is_some_and(|chosen| chosen != store) {
            continue;
        }
        if engine == Engine::Postgres && !postgres_is_at_hand() {
            eprintln!("    no PostgreSQL is at hand: TEST_POSTGRES_URL is not set");
            continue;
        }
        if engine == Engine::Postgres && !limits::is_durable().await? {
            bail!(
                "the server of TEST_POSTGRES_URL has fsync or synchronous_commit off: its figures would be of another thing"
            );
        }
        eprintln!("    events into {name}");
        let (ingest, database) = ingest::measure(engine, &server, &amounts).await?;
        stores.push((name, ingest));
        if engine == Engine::Postgres {
            eprintln!("    reads of the mirror");
            let customers = amounts.customers.iter().max().copied().unwrap_or(1);
            let turn = Duration::from_secs(3);
            reads = Some(reads::measure(database.url(), customers, READS_AT_ONCE, turn).await?);
            if let Some(python) = &args.python {
                eprintln!("    the wheel");
                wheel = Some(wheel::measure(python, database.url(), customers)?);
            }
        }
    }
    eprintln!("    imports of a Stripe account");
    let mut imports = Vec::new();
    for subscriptions in [1000, 10_000] {
        imports.push(reconcile::measure(&server, subscriptions / args.part).await?);
    }
    let report = Report {
        criterion: args.criterion.as_deref(),
        machine: machine::describe(),
        part: args.part,
        load,
        durable_write,
        stores,
        reads,
        wheel,
        imports,
    };
    let text = report.markdown()?;
    match args.write {
        Some(folder) => {
            std::fs::write(folder.join("PERFORMANCE.md"), text)?;
            report.plot(&folder.join("performance.svg"))?;
        }
        None => print!("{text}"),
    }
    Ok(())
}
