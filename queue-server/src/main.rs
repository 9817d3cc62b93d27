//! The billing server's command line.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use queue_server::cli::Cli;

/// Many small values live as long as a batch: this one takes and frees them faster.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    // Libraries choose none. Nothing before this line can have installed another one.
    drop(rustls::crypto::ring::default_provider().install_default());
    Cli::parse().run()
}
