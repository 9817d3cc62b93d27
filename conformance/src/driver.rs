//! Runs files in the Stripe CLI's fixture format against the simulator, for machines without the CLI.
//!
//! A fixture file lists requests; a request may use what an earlier one answered:
//!
//! - `${customer:id}` is the field `id` of the response to the request named `customer`; the path goes
//!   deeper with dots (`${subscription:items.data.0.id}`), and `|` gives a default;
//! - `${.env:PRICE|price_1}` is a variable given to the runner, or else of the process's environment;
//! - `expected_error_type` says that the request must fail, and with which type of error.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! use conformance::driver::FixtureRunner;
//! use conformance::simulator::{Simulator, SimulatorConfig};
//!
//! let stripe = Simulator::start(SimulatorConfig::default()).await?;
//! let run = FixtureRunner::new(stripe.base_url())?.trigger("customer.created").await?;
//! assert_eq!(run.response("customer")?["object"], "customer");
//! assert_eq!(stripe.events()[0].event_type, "customer.created");
//! # stripe.shutdown().await;
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::client::client;

mod params;
mod substitution;
mod trigger;

pub use trigger::TRIGGERS;

/// A key of the form that the simulator takes.
pub const API_KEY: &str = "sk_test_simulated0000000000";

#[derive(Debug, Deserialize)]
struct FixtureFile {
    fixtures: Vec<Fixture>,
}

#[derive(Debug, Deserialize)]
struct Fixture {
    name: String,
    path: String,
    method: String,
    #[serde(default)]
    params: Map<String, Value>,
    expected_error_type: Option<String>,
}

/// Runs fixture files, one request after another.
#[derive(Clone, Debug)]
pub struct FixtureRunner {
    client: reqwest::Client,
    base_url: String,
    variables: HashMap<String, String>,
}

/// What the requests of a file were answered, by their names.
#[derive(Clone, Debug, Default)]
pub struct FixtureRun {
    responses: IndexMap<String, Value>,
}

impl FixtureRun {
    /// The response to the request with this name.
    ///
    /// # Errors
    /// When the file has no such request.
    pub fn response(&self, name: &str) -> anyhow::Result<&Value> {
        self.responses
            .get(name)
            .with_context(|| format!("no fixture named {name:?} has run"))
    }
}

impl FixtureRunner {
    /// A runner against an API, such as [`Simulator::base_url`](crate::simulator::Simulator::base_url).
    ///
    /// # Errors
    /// When the HTTP client can't be set up.
    pub fn new(base_url: impl Into<String>) -> anyhow::Result<Self> {
        Ok(Self {
            client: client().build()?,
            base_url: base_url.into(),
            variables: HashMap::new(),
        })
    }

    /// Sets a variable for `${.env:NAME}`.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Runs a file.
    ///
    /// # Errors
    /// When it can't be read, or as [`FixtureRunner::run`].
    pub async fn run_file(&self, path: impl AsRef<Path>) -> anyhow::Result<FixtureRun> {
        let path = path.as_ref();
        let text = tokio::fs::read_to_string(path).await;
        let text =
            text.with_context(|| format!("can't read the fixtures in {}", path.display()))?;
        self.run(&text)
            .await
            .with_context(|| format!("the fixtures in {}", path.display()))
    }

    /// Runs the crate's own scenario for one of [`TRIGGERS`].
    ///
    /// # Errors
    /// When there is none for this type, or as [`FixtureRunner::run`].
    pub async fn trigger(&self, event_type: &str) -> anyhow::Result<FixtureRun> {
        let found = TRIGGERS.iter().find(|(name, _)| *name == event_type);
        let (_, text) = found.with_context(|| format!("no scenario triggers {event_type:?}"))?;
        self.run(text)
            .await
            .with_context(|| format!("the scenario for {event_type}"))
    }

    /// Runs the text of a fixture file.
    ///
    /// # Errors
    /// When it isn't one, when it refers to what isn't there, and when a request's outcome is another than expected.
    pub async fn run(&self, text: &str) -> anyhow::Result<FixtureRun> {
        let file: FixtureFile = serde_json::from_str(text).context("not a fixture file")?;
        let mut run = FixtureRun::default();
        for fixture in &file.fixtures {
            let response = self.request(fixture, &run).await;
            let response =
                response.with_context(|| format!("the fixture {:?} failed", fixture.name))?;
            run.responses.insert(fixture.name.clone(), response);
        }
        Ok(run)
    }

    async fn request(&self, fixture: &Fixture, run: &FixtureRun) -> anyhow::Result<Value> {
        let source = substitution::Source {
            responses: &run.responses,
            variables: &self.variables,
        };
        let url = format!("{}{}", self.base_url, source.fill(&fixture.path)?);
        let params = params::flatten(&fixture.params, &source)?;
        let request = match fixture.method.to_ascii_lowercase().as_str() {
            "get" => self.client.get(url).query(&params),
            "post" => self.client.post(url).form(&params),
            "delete" => self.client.delete(url).query(&params),
            other => bail!("no such method: {other}"),
        };
        let response = request.bearer_auth(API_KEY).send().await?;
        let status = response.status();
        let body: Value = response.json().await.context("the answer is not JSON")?;
        match &fixture.expected_error_type {
            None => ensure!(status.is_success(), "{status}: {body}"),
            Some(expected) => ensure!(
                body["error"]["type"] == expected.as_str(),
                "expected an error of type {expected}, got {status}: {body}"
            ),
        }
        Ok(body)
    }
}
