//! The demonstration: simulator, billing server and a gated service, and what they make of Stripe's events.
//!
//! It shows two things, and fails when either differs from what it should be: each of the eleven event types that the
//! server handles, made by an unmodified `stripe trigger`, and one customer's life, made by `stripe fixtures` from
//! files of our own with a configured price. Without the Stripe CLI the simulator's own driver makes the same calls.

mod hands;
mod life;
mod pages;
mod program;
mod report;
mod system;
mod triggers;

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Parser;

use hands::Hands;
use report::Differences;
use system::System;

/// Shows the billing gate at work: a simulated Stripe, the billing server, and a service behind the gate.
///
/// Everything runs on this machine, on free ports and a temporary folder. The exit code is not 0 if anything differs
/// from what it should be.
#[derive(Debug, Parser)]
#[command(name = "demo", version)]
pub struct Options {
    /// Leave everything running afterwards, and print addresses and commands to try.
    #[arg(long)]
    keep: bool,
    /// The database for the server and the mirror, such as postgres://USER@HOST/NAME: an empty one.
    /// Without it: SQLite, in a temporary folder.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// The official Stripe CLI; without it the simulator's own driver makes the same calls.
    #[arg(long, env = "STRIPE_CLI_BIN", value_name = "PATH")]
    stripe_cli: Option<PathBuf>,
    /// The folder with the programs `queue-server` and `examples/gated_service`.
    #[arg(
        long,
        env = "BILLING_BIN_DIR",
        value_name = "FOLDER",
        default_value = "target/debug"
    )]
    bin_dir: PathBuf,
    /// A Python that has py-paywall, FastAPI and uvicorn: a second service stands behind the same gate then.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

/// Runs the demonstration.
///
/// # Errors
/// When something does not start, or something differs from what it should be.
pub async fn run(options: Options) -> anyhow::Result<()> {
    println!("Starting a simulated Stripe, the billing server and services behind the gate …");
    let system = System::start(&options).await?;
    let hands = Hands::new(options.stripe_cli.as_deref(), system.stripe.base_url())?;
    println!("  Stripe (simulated)  {}", system.stripe.base_url());
    println!("  queue-server        {}", system.queue.url());
    for app in &system.apps {
        println!(
            "  {:<19} {}   /reports asks for pro, /models for pro_plus",
            app.name(),
            app.url()
        );
    }
    if options.python.is_none() {
        println!("  (no gated FastAPI service: there is no Python with the wheel)");
    }
    println!("  driven by           {}\n", hands.describe().await?);

    let mut differences = Differences::default();
    let shown = show(&system, &hands, &mut differences).await;
    if let Err(error) = shown {
        system.keep_folder();
        return Err(error).with_context(|| format!("logs are in {}", system.folder().display()));
    }
    if options.keep {
        system.print_commands(&hands);
        told_to_stop().await?;
    }
    let folder = system.folder().to_owned();
    if !differences.is_empty() {
        system.keep_folder();
    }
    let chain = system.stop().await?;
    println!("{chain}");
    if differences.is_empty() {
        println!("All of it is as it should be.");
        return Ok(());
    }
    bail!("{differences}logs are in {}", folder.display());
}

async fn show(system: &System, hands: &Hands, differences: &mut Differences) -> anyhow::Result<()> {
    triggers::show(system, hands, differences).await?;
    life::show(system, hands, differences).await
}

/// Ctrl-c, or SIGTERM: either way the programs that were started must not be left behind.
async fn told_to_stop() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result?,
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}
