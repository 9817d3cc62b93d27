//! The parts of the system, started and connected.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use billing_core::id::CustomerId;
use billing_core::mirror::{MirrorReader, MirrorRow, SqlMirror};
use tempfile::TempDir;
use tokio::process::Command;

use super::Options;
use super::hands::Hands;
use super::program::Program;
use crate::client::client;
use crate::simulator::{Delivery, Simulator, SimulatorConfig};

const RESTRICTED_KEY: &str = "rk_test_of_the_demonstration";
/// What browsers are given.
pub(super) const PUBLISHABLE_KEY: &str = "pk_test_of_the_demonstration";
/// The web app, if there were one.
pub(super) const APP_ORIGIN: &str = "http://localhost:3000";
pub(super) const INTERNAL_TOKEN: &str = "token-of-the-demonstration";
const HOUR: u64 = 3600;
/// How long the parts may take to agree.
const PATIENCE: Duration = Duration::from_secs(20);

/// The whole system.
pub(super) struct System {
    pub(super) stripe: Simulator,
    pub(super) queue: Program,
    /// Services behind the gate: in Rust, and in Python where there is one with the wheel.
    pub(super) apps: Vec<Program>,
    pub(super) client: reqwest::Client,
    mirror: SqlMirror,
    folder: TempDir,
    queue_binary: PathBuf,
    queue_environment: Vec<(&'static str, String)>,
}

impl System {
    pub(super) async fn start(options: &Options) -> anyhow::Result<Self> {
        let (bin_dir, database_url) = (&options.bin_dir, options.database_url.as_deref());
        let bin_dir = bin_dir
            .canonicalize()
            .with_context(|| format!("{} is not there", bin_dir.display()))?;
        let folder = tempfile::Builder::new().prefix("billing-demo-").tempdir()?;
        // A retry an hour after the failure: the life must fit into the day that Queue lets events be ahead.
        let config = SimulatorConfig {
            retry_after_seconds: vec![HOUR; 3],
            ..SimulatorConfig::default()
        };
        let stripe = Simulator::start(config).await?;
        // The gated service owns the mirror's table, as a service of one's own would.
        let url =
            |name| database_url.map_or_else(|| sqlite_url(folder.path(), name), str::to_owned);
        let mirror_url = url("app.db");
        let mirror = SqlMirror::create(&mirror_url).await?;
        let used = mirror
            .read(&CustomerId::parse(super::life::CUSTOMER)?)
            .await?;
        ensure!(
            used.is_none(),
            "this database has seen a demonstration before: give it an empty one"
        );

        let queue_binary = bin_dir.join("queue-server");
        let port = free_port()?;
        let prepared = prepare(&queue_binary, &stripe, port).await?;
        let mut queue_environment = vec![
            ("FLAG_QUEUE_BILLING", "true".to_owned()),
            ("DATABASE_URL", url("queue.db")),
            ("MIRROR_DATABASE_URL", mirror_url.clone()),
            ("STRIPE_API_BASE", stripe.base_url()),
            ("STRIPE_RESTRICTED_KEY", RESTRICTED_KEY.to_owned()),
            ("STRIPE_PUBLISHABLE_KEY", PUBLISHABLE_KEY.to_owned()),
            ("STRIPE_LIVEMODE", "false".to_owned()),
            ("RETURN_URL_ORIGINS", APP_ORIGIN.to_owned()),
            ("QUEUE_INTERNAL_TOKEN", INTERNAL_TOKEN.to_owned()),
            // A key for a demonstration: a real one comes from `openssl rand -hex 32`.
            ("BILLING_AUDIT_KEY", "d3".repeat(31) + "04"),
            ("HOST", "127.0.0.1".to_owned()),
            ("PORT", port.to_string()),
        ];
        queue_environment.extend(prepared);
        let environment: Vec<_> = queue_environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let queue = Program::start(
            "queue-server",
            &queue_binary,
            &["serve"],
            &environment,
            folder.path(),
        )
        .await?;
        let environment = [("MIRROR_DATABASE_URL", mirror_url.as_str()), ("PORT", "0")];
        let example = bin_dir.join("examples").join("gated_service");
        let mut apps =
            vec![Program::start("gated axum", &example, &[], &environment, folder.path()).await?];
        if let Some(python) = &options.python {
            apps.push(start_in_python(python, &mirror_url, folder.path()).await?);
        }

        let client = client().build()?;
        Ok(Self {
            stripe,
            queue,
            apps,
            mirror,
            client,
            folder,
            queue_binary,
            queue_environment,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder with databases and logs when the demonstration ends.
    pub(super) fn keep_folder(&self) {
        // `TempDir::keep` would take the folder from us while programs still write to it.
        let marker = self.folder.path().join("KEPT");
        let _ = std::fs::write(marker, "");
    }

    /// Waits until everything that was sent is delivered, committed, and in the mirror; gives the deliveries since.
    pub(super) async fn settle(&self, deliveries_before: usize) -> anyhow::Result<Vec<Delivery>> {
        let settled = tokio::time::timeout(PATIENCE, self.stripe.settled()).await;
        settled.context("the server did not take every event")?;
        let began = Instant::now();
        loop {
            let metrics = self
                .client
                .get(format!("{}/metrics", self.queue.url()))
                .send()
                .await?
                .text()
                .await?;
            if metrics
                .lines()
                .any(|line| line == "billing_mirror_waiting 0")
            {
                return Ok(self.stripe.deliveries().split_off(deliveries_before));
            }
            ensure!(began.elapsed() < PATIENCE, "rows still wait for the mirror");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The customer's row in the mirror.
    pub(super) async fn mirror_row(
        &self,
        customer: &CustomerId,
    ) -> anyhow::Result<Option<MirrorRow>> {
        Ok(self.mirror.read(customer).await?)
    }

    /// What each gate answers a customer who asks for the reports; once if they agree.
    pub(super) async fn ask_gates(&self, customer: Option<&CustomerId>) -> anyhow::Result<String> {
        let mut answers = Vec::new();
        for app in &self.apps {
            let mut request = self.client.get(format!("{}/reports", app.url()));
            if let Some(customer) = customer {
                request = request.header("x-demo-customer", customer.as_str());
            }
            answers.push(request.send().await?.status().as_u16().to_string());
        }
        Ok(answers.join(" "))
    }

    /// An answer that all gates should give, as [`Self::ask_gates`] tells it.
    pub(super) fn of_each_gate(&self, answer: &str) -> String {
        vec![answer; self.apps.len()].join(" ")
    }

    /// The heading of the gates' answers.
    pub(super) fn gates_heading(&self) -> &'static str {
        match self.apps.len() {
            1 => "GET /reports",
            _ => "GET /reports\naxum FastAPI",
        }
    }

    /// Registers a customer, as a back end does when somebody signs up.
    pub(super) async fn register(&self, customer: &CustomerId) -> anyhow::Result<()> {
        let url = format!("{}/api/v1/billing/customers/{customer}", self.queue.url());
        let response = self
            .client
            .put(url)
            .bearer_auth(INTERNAL_TOKEN)
            .send()
            .await?;
        ensure!(
            response.status().is_success(),
            "the server does not register a customer: {}",
            response.status()
        );
        Ok(())
    }

    /// What to try while everything runs.
    pub(super) fn print_commands(&self, hands: &Hands) {
        let (stripe, queue) = (self.stripe.base_url(), self.queue.url());
        let app = self.apps.last().map_or("", Program::url);
        println!("Everything keeps running until ctrl-c. To try:\n");
        println!("  # the gate, as the customer whose life this was");
        println!(
            "  curl -i {app}/reports -H 'x-demo-customer: {}'\n",
            super::life::CUSTOMER
        );
        println!("  # a new customer subscribes: answers what the page needs to take the payment");
        println!(
            "  curl {queue}/api/v1/billing/subscribe -H 'authorization: Bearer {INTERNAL_TOKEN}' -H 'x-queue-customer-id: ada' -d '{{\"plan_tier\": \"pro\"}}'"
        );
        println!("  # pays, as the page would (PI_ID is the client_secret up to _secret)");
        println!(
            "  curl {stripe}/v1/payment_intents/PI_ID/confirm -u {PUBLISHABLE_KEY}: -d client_secret=CLIENT_SECRET -d payment_method=pm_card_visa"
        );
        println!("  curl -i {app}/reports -H 'x-demo-customer: ada'\n");
        if let Hands::Cli { path, .. } = hands {
            println!("  # any trigger of the Stripe CLI");
            println!(
                "  {} trigger invoice.paid --api-base {stripe} --api-key sk_test_demo0000000000000\n",
                path.display()
            );
        }
        println!("  # how the server does");
        println!("  curl {queue}/metrics");
        println!(
            "  # its databases and logs: {}\n",
            self.folder.path().display()
        );
    }

    /// Stops everything in good order; gives what the verification of the audit chain said.
    pub(super) async fn stop(self) -> anyhow::Result<String> {
        for app in self.apps {
            app.stop().await?;
        }
        self.queue.stop().await?;
        self.stripe.shutdown().await;
        self.mirror.close().await;
        let verify = Command::new(&self.queue_binary)
            .args(["audit", "verify"])
            .envs(
                self.queue_environment
                    .iter()
                    .map(|(name, value)| (*name, value.as_str())),
            )
            .output()
            .await?;
        if self.folder.path().join("KEPT").exists() {
            let _ = self.folder.keep();
        }
        if !verify.status.success() {
            bail!(
                "the audit chain does not verify: {}",
                String::from_utf8_lossy(&verify.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&verify.stdout).trim().to_owned())
    }
}

/// A scenario file of this crate.
pub(super) fn scenario(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("scenarios")
        .join(name)
}

/// A port that nobody listens on.
fn free_port() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.port())
}

/// Prepares the account at Stripe, as `queue-server stripe setup` does: gives the variables that it prints. Plans are paid
/// by the day.
async fn prepare(
    queue_binary: &Path,
    stripe: &Simulator,
    port: u16,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    ensure!(
        queue_binary.is_file(),
        "{} is not there: `cargo demo` builds it",
        queue_binary.display()
    );
    let public_url = format!("http://127.0.0.1:{port}");
    let output = Command::new(queue_binary)
        .args(["stripe", "setup", "--public-url", &public_url])
        .args(["--interval", "day", "--pro", "100", "--pro-plus", "300"])
        .env("STRIPE_API_BASE", stripe.base_url())
        .env("STRIPE_RESTRICTED_KEY", RESTRICTED_KEY)
        .output()
        .await?;
    let (told, printed) = (
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout),
    );
    ensure!(output.status.success(), "stripe setup failed: {told}");
    let value = |name: &'static str| {
        let mut values = printed
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let value = values.next().map(str::to_owned);
        Ok((
            name,
            value.with_context(|| format!("stripe setup printed no {name}"))?,
        ))
    };
    [
        "STRIPE_PRICE_ID_PRO",
        "STRIPE_PRICE_ID_PRO_PLUS",
        "STRIPE_WEBHOOK_SECRET",
        "STRIPE_PORTAL_CONFIGURATION",
    ]
    .into_iter()
    .map(value)
    .collect()
}

/// The example of the wheel, behind the same mirror.
async fn start_in_python(
    python: &Path,
    mirror_url: &str,
    folder: &Path,
) -> anyhow::Result<Program> {
    let example =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../py-paywall/examples/gated_fastapi.py");
    // As Python writes the URL of a file: another slash before the path.
    let mirror_url = match mirror_url.strip_prefix("sqlite://") {
        Some(path) => format!("sqlite:///{path}"),
        None => mirror_url.to_owned(),
    };
    let environment = [("MIRROR_DATABASE_URL", mirror_url.as_str()), ("PORT", "0")];
    let example = example.to_string_lossy();
    // Not its target: an environment is known by the path that its Python is called by.
    let python = std::path::absolute(python)?;
    Program::start("gated FastAPI", &python, &[&example], &environment, folder).await
}

fn sqlite_url(folder: &Path, name: &str) -> String {
    format!("sqlite://{}", folder.join(name).display())
}
