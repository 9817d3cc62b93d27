//! The developer workflow, in Rust, so that it is the same on every machine: `cargo xtask --help`.
//!
//! This file is wiring. One noun a file: [`workspace`] knows the folders, [`process`] runs programs, [`step`] tells
//! what is going on, [`tools`] fetches the pinned programs that tests drive, [`postgres`] starts a server for them,
//! [`suite`] builds and tests, [`guard`] and [`tidy`] look for what must not be there, [`gate`] is all of it in order,
//! [`demo`] starts the demonstration, [`wheel`] builds and tests the Python package, [`mod@bench`] measures, [`fuzz`] runs
//! the fuzz targets.

mod bench;
mod demo;
mod fuzz;
mod gate;
mod guard;
mod postgres;
mod process;
mod step;
mod suite;
mod tidy;
mod tools;
mod wheel;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{step::Steps, workspace::Workspace};

/// The developer workflow of the workspace.
///
/// Needs Rust. `test` and `ci` also need npm and python3: they fetch the official Stripe CLI, Stripe's clients and the
/// Python packages that tests use, all pinned, into the build folder, and PostgreSQL where the machine has none. Nothing
/// is installed outside it. `fuzz` needs a nightly toolchain of Rust; `ci` goes on without.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    arg_required_else_help = true
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the tests of the whole workspace, doc tests included.
    ///
    /// Fetches the tools, builds every program and example that the tests start, starts a PostgreSQL server, then runs
    /// `cargo test`: everything, with the store in SQLite, and the store's tests once more in PostgreSQL. Then it builds
    /// the Python wheel and tests it with pytest.
    ///
    ///   cargo xtask test                          everything
    ///   cargo xtask test signature                tests with `signature` in their name
    ///   cargo xtask test -p billing-core          one package (may compile its dependencies anew)
    ///   cargo xtask test signature -- --nocapture and show what they print
    ///   cargo xtask test -p py-paywall -- -k flask  the wheel's tests alone; what follows -- is pytest's
    #[command(verbatim_doc_comment)]
    Test {
        /// Handed to `cargo test`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// The whole gate, as CI runs it: format, guards, lints, tests, docs, demo, fuzz targets.
    ///
    /// Stops at the first step that fails. A change for which this passes may be merged.
    Ci,
    /// Start the whole system on this machine and take a customer through a subscription's life.
    ///
    /// Builds the billing server, the example service behind the gate and the Stripe simulator, then hands over to the
    /// demonstration. No account at Stripe is needed and nothing is sent to Stripe.
    ///
    ///   cargo demo                the same thing, shorter
    ///   cargo demo --keep         leave everything running at the end, to look around
    ///   cargo demo -- --help      what else it takes
    #[command(verbatim_doc_comment)]
    Demo {
        /// Handed to the demonstration.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measure how fast it is, and write docs/PERFORMANCE.md.
    ///
    /// Compares within one run: with the bare HMAC, a JSON tree, the same statements without a server. Wants a machine
    /// that does nothing else, and some forty minutes.
    ///
    ///   cargo xtask bench             all of it; writes the document and its plot
    ///   cargo xtask bench --part 20   a twentieth of the events; prints the document
    #[command(verbatim_doc_comment)]
    Bench {
        /// Send the Nth part of the events.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
        part: u64,
    },
    /// Run the fuzz targets, each for a minute, and stop at the first input that breaks a promise.
    ///
    /// Needs a nightly toolchain (`rustup toolchain install nightly`) and a C++ compiler. The pinned cargo-fuzz is built
    /// into the build folder, and inputs that reach new code are collected there, to begin with the next time.
    ///
    ///   cargo xtask fuzz                          every target
    ///   cargo xtask fuzz pipeline --seconds 3600  one of them, for an hour
    #[command(verbatim_doc_comment)]
    Fuzz {
        /// One target: a file in `conformance/fuzz/fuzz_targets`.
        target: Option<String>,
        /// How long each target runs.
        #[arg(long, default_value_t = fuzz::SECONDS)]
        seconds: u32,
    },
    /// Fetch the pinned tools and print the variables that lead to them.
    ///
    /// The output can be evaluated by a shell, to run a single test by hand: `eval "$(cargo xtask tools)"`.
    Tools,
    /// Check the tree for what the house style rules out. Takes a moment; part of `ci`.
    Tidy,
}

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let workspace = Workspace::locate()?;
    let mut steps = Steps::start();
    match command {
        Command::Test { args } => suite::test(&workspace, &mut steps, &args),
        Command::Ci => gate::run(&workspace, steps),
        Command::Demo { args } => demo::hand_over(&workspace, &mut steps, &args),
        Command::Bench { part } => bench::run(&workspace, &mut steps, part),
        Command::Fuzz { target, seconds } => {
            fuzz::run(&workspace, &mut steps, target.as_deref(), seconds)
        }
        Command::Tools => tools::print(&workspace, &mut steps),
        Command::Tidy => tidy::step(&workspace, &mut steps),
    }
}
