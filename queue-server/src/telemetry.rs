//! Logs and metrics.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use billing_core::ledger::{LedgerError, Observer};
use metrics::{describe_counter, describe_gauge, describe_histogram, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// Logs to standard error: for people in a terminal, as JSON otherwise.
pub(crate) fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.init();
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .init();
    }
}

/// Upper bounds of the buckets of commit times, in seconds.
const COMMIT_SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Upper bounds of the buckets of calls to Stripe, in seconds.
const STRIPE_SECONDS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper bounds of the buckets of batch sizes, in commands.
const BATCH_SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// Installs the recorder of metrics, and describes each.
pub(crate) fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Full("billing_commit_seconds".to_owned()),
            COMMIT_SECONDS,
        )?
        .set_buckets_for_metric(
            Matcher::Full("billing_stripe_seconds".to_owned()),
            STRIPE_SECONDS,
        )?
        .set_buckets_for_metric(Matcher::Full("billing_batch_size".to_owned()), BATCH_SIZES)?
        .install_recorder()?;
    describe_counter!("billing_events_total", "Events taken, by type and outcome");
    describe_counter!(
        "billing_verify_failures_total",
        "Deliveries whose signature did not verify, by reason"
    );
    describe_counter!(
        "billing_decode_failures_total",
        "Signed deliveries that are no event, by reason"
    );
    describe_counter!(
        "billing_ledger_failures_total",
        "Commands that were not committed, or not in time, by code"
    );
    describe_counter!("billing_alerts_total", "Alerts raised, by name");
    describe_counter!(
        "billing_mirror_rows_total",
        "Rows sent to the mirror, by result"
    );
    describe_counter!(
        "billing_mirror_drift_total",
        "Rows of the mirror that were other than they should be"
    );
    describe_counter!(
        "billing_deadlines_total",
        "Customers settled because an instant came, by outcome"
    );
    describe_counter!(
        "billing_refreshes_total",
        "Objects looked at again through Stripe's API, by result"
    );
    describe_counter!(
        "billing_stripe_calls_total",
        "Calls to Stripe's API, by call and result"
    );
    describe_counter!(
        "billing_stripe_retries_total",
        "Tries of calls to Stripe's API after the first"
    );
    describe_histogram!(
        "billing_stripe_seconds",
        "Seconds per call to Stripe's API, with its pauses"
    );
    describe_histogram!("billing_batch_size", "Commands per transaction");
    describe_histogram!(
        "billing_commit_seconds",
        "Seconds per transaction, from begin to commit"
    );
    describe_gauge!("billing_connections", "Connections of clients");
    describe_gauge!(
        "billing_queue_depth",
        "Commands that wait for a transaction"
    );
    describe_gauge!(
        "billing_refresh_waiting",
        "Objects that are to be looked at again through Stripe's API"
    );
    describe_gauge!(
        "billing_refresh_age_seconds",
        "Seconds since the first of them was marked"
    );
    describe_gauge!(
        "billing_mirror_waiting",
        "Customers whose row must still reach the mirror"
    );
    describe_gauge!(
        "billing_mirror_lag_seconds",
        "Seconds since the oldest of them changed"
    );
    Ok(handle)
}

/// How often histograms are gathered where nobody reads them.
const UPKEEP: Duration = Duration::from_secs(5);

/// Gathers what histograms hold, for as long as it runs: where nobody reads the metrics, every measurement would be kept.
pub(crate) async fn keep_up(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics.run_upkeep();
    }
}

/// Measures the ledger's batches.
#[derive(Default)]
pub(crate) struct BatchMetrics(Mutex<Option<Instant>>);

impl Observer for BatchMetrics {
    fn batch_begins(&self, size: usize) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        #[expect(
            clippy::cast_precision_loss,
            reason = "a batch is far below 2^52 commands"
        )]
        histogram!("billing_batch_size").record(size as f64);
    }

    fn batch_ends(&self, result: Result<(), LedgerError>) {
        let began = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(began) = began {
            histogram!("billing_commit_seconds").record(began.elapsed());
        }
        if let Err(error) = result {
            tracing::error!(code = error.code(), "a batch was not committed");
        }
    }
}
