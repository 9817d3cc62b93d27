//! `queue-server reconcile` with a simulated Stripe account that is new to it.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use billing_core::store::SqlStore;
use conformance::simulator::{Simulator, SimulatorConfig};
use futures::{TryStreamExt, stream};
use jiff::Timestamp;
use reqwest::Client;
use serde_json::Value;
use test_database::{Engine, TestDatabase};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::event::SECRET;
use crate::ingest::policy;
use crate::server;

/// What simulated objects are made with.
const KEY: &str = "rk_test_of_the_benchmarks";
/// Customers that are made at once.
const AT_ONCE: usize = 16;
/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How long a run counts as alive that gives no sign of it, and a little.
const LEASE: Duration = Duration::from_secs(62);

/// What came of an account.
#[derive(Debug)]
pub struct Import {
    /// Its subscriptions.
    pub subscriptions: u64,
    /// Calls to Stripe.
    pub calls: usize,
    /// How long all of it took, but for the wait after it was killed.
    pub took: Duration,
    /// The most memory that was seen in use, in bytes.
    pub peak: u64,
}

impl Import {
    /// Calls per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.calls as f64 / self.took.as_secs_f64()
    }
}

/// Imports an account of so many subscriptions into an empty database. Half-way the program is killed, and once nobody can
/// take it for alive another goes on.
pub async fn measure(program: &Path, subscriptions: u64) -> Result<Import> {
    let stripe = Simulator::start(SimulatorConfig::default()).await?;
    let price = subscribe_all(&stripe.base_url(), subscriptions).await?;
    let made = stripe.requests().len();
    let database = TestDatabase::new(Engine::Sqlite);
    let mut command = Command::new(program);
    command
        .arg("reconcile")
        .env_clear()
        .envs([
            ("DATABASE_URL", database.url()),
            ("STRIPE_API_BASE", &stripe.base_url()),
            ("STRIPE_RESTRICTED_KEY", KEY),
            ("STRIPE_PUBLISHABLE_KEY", "pk_test_of_the_benchmarks"),
            ("STRIPE_WEBHOOK_SECRET", SECRET),
            ("QUEUE_INTERNAL_TOKEN", "token-of-the-benchmarks"),
            ("STRIPE_PRICE_ID_PRO", &price),
            ("STRIPE_PRICE_ID_PRO_PLUS", "price_pro_plus"),
            ("FLAG_QUEUE_BILLING", "true"),
        ])
        .env("BILLING_AUDIT_KEY", "0f".repeat(31) + "aa")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let killed = run(&mut command, Some(subscriptions / 2)).await?;
    ensure!(killed.report.is_none(), "it ended before it was killed");
    tokio::time::sleep(LEASE).await;
    let resumed = run(&mut command, None).await?;
    let report = resumed.report.context("it reports")?;
    let store = SqlStore::open(database.url()).await?;
    let revenue = store.revenue(&policy()?, Timestamp::now(), 1).await?;
    store.close().await;
    let known: u64 = revenue.mrr.iter().map(|row| row.subscriptions).sum();
    ensure!(
        known == subscriptions && report["subscriptions"] == subscriptions,
        "{known} were imported: {report}"
    );
    let calls = stripe.requests().len() - made;
    stripe.shutdown().await;
    Ok(Import {
        subscriptions,
        calls,
        took: killed.took + resumed.took,
        peak: killed.peak.max(resumed.peak),
    })
}

/// A run of the program.
struct Run {
    took: Duration,
    peak: u64,
    /// None of one that was killed.
    report: Option<Value>,
}

/// Runs the program to its end, or until it has seen so many subscriptions.
async fn run(command: &mut Command, until: Option<u64>) -> Result<Run> {
    let began = Instant::now();
    let mut process = command.spawn()?;
    let id = process.id().context("it runs")?.to_string();
    let mut told = BufReader::new(process.stderr.take().context("it is piped")?).lines();
    let mut peak = 0;
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = look.tick() => {
                peak = server::memory_of(&id).map_or(peak, |memory| memory.peak.max(peak));
            }
            line = told.next_line() => {
                let Some(line) = line? else { break };
                let seen = line.split_once(" subscriptions").and_then(|(seen, _)| seen.parse().ok());
                if until.is_some_and(|until| seen.is_some_and(|seen: u64| seen >= until)) {
                    process.kill().await?;
                    return Ok(Run { took: began.elapsed(), peak, report: None });
                }
            }
        }
    }
    let output = process.wait_with_output().await?;
    ensure!(output.status.success(), "the reconcile failed");
    Ok(Run {
        took: began.elapsed(),
        peak,
        report: Some(serde_json::from_slice(&output.stdout)?),
    })
}

/// Makes so many customers, who all subscribe: the price.
async fn subscribe_all(stripe: &str, count: u64) -> Result<String> {
    let client = &Client::builder().tls_certs_only([]).build()?;
    let make = async |path: &str, form: Vec<(&str, String)>| -> Result<String> {
        let request = client.post(format!("{stripe}{path}")).form(&form);
        let answer = request.bearer_auth(KEY).send().await?.error_for_status()?;
        let made: Value = answer.json().await?;
        Ok(made["id"].as_str().context("it has an id")?.to_owned())
    };
    let text = str::to_owned;
    let price = vec![
        ("product_data[name]", text("Pro")),
        ("unit_amount", text("2900")),
        ("currency", text("usd")),
        ("recurring[interval]", text("month")),
    ];
    let price = make("/v1/prices", price).await?;
    let subscribe = async |number: u64| -> Result<()> {
        let customer = vec![
            ("metadata[queue_customer_id]", format!("user-{number}")),
            ("payment_method", text("pm_card_visa")),
            (
                "invoice_settings[default_payment_method]",
                text("pm_card_visa"),
            ),
        ];
        let customer = make("/v1/customers", customer).await?;
        let subscription = vec![("customer", customer), ("items[0][price]", price.clone())];
        make("/v1/subscriptions", subscription).await?;
        Ok(())
    };
    let all = stream::iter((0..count).map(Ok::<_, anyhow::Error>));
    all.try_for_each_concurrent(AT_ONCE, subscribe).await?;
    Ok(price)
}
