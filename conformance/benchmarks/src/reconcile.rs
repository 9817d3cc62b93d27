//! `queue-server reconcile` with a simulated Stripe account that is new to it.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use conformance::simulator::{Simulator, SimulatorConfig};
use futures::{TryStreamExt, stream};
use reqwest::Client;
use serde_json::Value;
use test_database::{Engine, TestDatabase};
use tokio::process::Command;

use crate::event::SECRET;
use crate::server;

/// What simulated objects are made with.
const KEY: &str = "rk_test_of_the_benchmarks";
/// Customers that are made at once.
const AT_ONCE: usize = 16;
/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What came of an account.
#[derive(Debug)]
pub struct Import {
    /// Its subscriptions.
    pub subscriptions: u64,
    /// Calls to Stripe.
    pub calls: usize,
    /// How long all of it took.
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

/// Imports an account of so many subscriptions into an empty database.
pub async fn measure(program: &Path, subscriptions: u64) -> Result<Import> {
    let stripe = Simulator::start(SimulatorConfig::default()).await?;
    let price = subscribe_all(&stripe.base_url(), subscriptions).await?;
    let made = stripe.requests().len();
    let database = TestDatabase::new(Engine::Sqlite);
    let began = Instant::now();
    let mut process = Command::new(program)
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
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let id = process.id().context("it runs")?.to_string();
    let mut peak = 0;
    while process.try_wait()?.is_none() {
        peak = server::memory_of(&id).map_or(peak, |memory| memory.peak.max(peak));
        tokio::time::sleep(LOOK).await;
    }
    let output = process.wait_with_output().await?;
    let took = began.elapsed();
    ensure!(output.status.success(), "the reconcile failed");
    let report: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(
        report["imported"] == subscriptions,
        "not all were imported: {report}"
    );
    let calls = stripe.requests().len() - made;
    stripe.shutdown().await;
    Ok(Import {
        subscriptions,
        calls,
        took,
        peak,
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
