//! Runs the Stripe simulator on its own.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, ensure};
use clap::Parser;
use conformance::simulator::{ApiVersion, Endpoint, Simulator, SimulatorConfig};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

const EXAMPLES: &str = "\
Examples:
  Answer on a free port and print the address:
    stripe-simulator

  Deliver webhooks to a server, in the newer shape, and to another in the older:
    stripe-simulator --port 12111 \\
      --webhook http://127.0.0.1:8080/webhooks/stripe --secret whsec_one --api-version 2025-03-31.basil \\
      --webhook http://127.0.0.1:8081/webhooks/stripe --secret whsec_two --api-version 2024-06-20

  Talk to it as to Stripe (any sk_test_ key will do):
    curl http://127.0.0.1:12111/v1/customers -u sk_test_simulated: -d email=a@example.com

  Drive it with the official CLI:
    stripe trigger invoice.paid --api-base http://127.0.0.1:12111 --api-key sk_test_simulated

  See the pages that customers see: open the `url` of a checkout or portal session in a browser.

  Let a month pass: make a test clock, a customer with test_clock=clock_…, a subscription, then
    curl http://127.0.0.1:12111/v1/test_helpers/test_clocks/clock_…/advance -u sk_test_simulated: -d frozen_time=…

Set RUST_LOG=info to see each request.";

/// A stateful, clock-driven stand-in for Stripe's API that delivers signed webhooks.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Options {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// All ids follow from this number.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Take live keys only (`sk_live_…`) and say `livemode: true`; all else is the same.
    #[arg(long)]
    livemode: bool,
    /// Where to deliver events (plain http); repeat it for more receivers.
    #[arg(long, value_name = "URL")]
    webhook: Vec<String>,
    /// What the events are signed with: one per --webhook.
    #[arg(long, value_name = "WHSEC")]
    secret: Vec<String>,
    /// API version, and so the shape of the objects: one per --webhook, one for all, or none for the newer shape.
    #[arg(long, value_name = "VERSION", value_parser = ApiVersion::parse)]
    api_version: Vec<ApiVersion>,
}

impl Options {
    fn endpoints(&self) -> anyhow::Result<Vec<Endpoint>> {
        ensure!(
            self.webhook.len() == self.secret.len(),
            "give one --secret for each --webhook"
        );
        let versions = self.api_version.len();
        ensure!(
            versions <= 1 || versions == self.webhook.len(),
            "give one --api-version for each --webhook, or one for all"
        );
        let receivers = self.webhook.iter().zip(&self.secret).enumerate();
        let endpoint = |(at, (url, secret)): (usize, (&String, &String))| {
            let version = self
                .api_version
                .get(at)
                .or(self.api_version.first())
                .cloned();
            Endpoint::new(url, secret).with_api_version(version.unwrap_or_default())
        };
        Ok(receivers.map(endpoint).collect())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let options = Options::parse();
    let endpoints = options.endpoints()?;
    let config = SimulatorConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, options.port)),
        seed: options.seed,
        livemode: options.livemode,
        ..Default::default()
    };
    let simulator = Simulator::start(config).await?;
    for endpoint in endpoints {
        simulator.add_endpoint(endpoint);
    }
    // Before the address is out: who reads it may end the program at once.
    let mut terminate = signal(SignalKind::terminate()).context("no SIGTERM to wait for")?;
    println!("{}", simulator.base_url());
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    simulator.shutdown().await;
    Ok(())
}
