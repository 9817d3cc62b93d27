//! The billing server's command line.

use std::process::ExitCode;

use clap::Parser;
use queue_server::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
