//! Probes: is it alive, is it ready, how does it do.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use billing_core::mirror::{MirrorTime, Outbox};
use metrics::gauge;
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::vocabulary;
use crate::app::App;
use crate::clock;

/// How long a probe waits for the database.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// The process lives.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "read_health",
    tag = "probes",
    responses((status = 200, description = "`ok`", body = str, content_type = "text/plain; charset=utf-8")),
)]
pub(crate) async fn healthz() -> &'static str {
    "ok"
}

/// What is ready and what is not.
#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    database: bool,
    mirror_worker: bool,
    deadline_worker: bool,
    refresh_worker: bool,
    reconcile_worker: bool,
    comparison_worker: bool,
    #[schema(value_type = vocabulary::Switch)]
    billing: &'static str,
}

/// The database answers and the workers run.
///
/// Billing may be off: then that is what it is ready for.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "read_readiness",
    tag = "probes",
    responses(
        (status = 200, description = "Ready", body = Readiness),
        (status = 503, description = "Not ready", body = Readiness),
    ),
)]
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, Json<Readiness>) {
    let database = tokio::time::timeout(PROBE_TIMEOUT, app.store.check()).await;
    let readiness = Readiness {
        database: matches!(database, Ok(Ok(()))),
        mirror_worker: app.mirror_worker.is_alive(),
        deadline_worker: app.deadline_worker.is_alive(),
        refresh_worker: app.refresh_worker.is_alive(),
        reconcile_worker: app.reconcile_worker.is_alive(),
        comparison_worker: app.comparison_worker.is_alive(),
        billing: if app.billing_on { "on" } else { "off" },
    };
    let ready = readiness.database
        && readiness.mirror_worker
        && readiness.deadline_worker
        && readiness.refresh_worker
        && readiness.reconcile_worker
        && readiness.comparison_worker;
    (
        if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        },
        Json(readiness),
    )
}

/// Metrics in Prometheus' text format.
///
/// What a database that does not answer would tell is not a number: an old one would hide that.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "read_metrics",
    tag = "probes",
    responses((status = 200, description = "All metrics", body = str, content_type = "text/plain; charset=utf-8")),
)]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> String {
    let _ = tokio::time::timeout(PROBE_TIMEOUT, measure(&app)).await;
    app.metrics.render()
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
async fn measure(app: &App) {
    gauge!("billing_queue_depth").set(app.ledger.waiting() as f64);
    for unknown in [
        "billing_refresh_waiting",
        "billing_refresh_age_seconds",
        "billing_mirror_waiting",
        "billing_mirror_lag_seconds",
    ] {
        gauge!(unknown).set(f64::NAN);
    }
    if let Ok(depth) = app.store.refresh_depth().await {
        gauge!("billing_refresh_waiting").set(depth.waiting as f64);
        gauge!("billing_refresh_age_seconds").set(age(depth.oldest));
    }
    if let Ok(depth) = app.store.depth().await {
        gauge!("billing_mirror_waiting").set(depth.waiting as f64);
        gauge!("billing_mirror_lag_seconds").set(age(depth.oldest));
    }
}

/// For how long the oldest waits, in seconds; 0 where nothing does.
fn age(oldest: Option<MirrorTime>) -> f64 {
    let age = oldest.map(|oldest| clock::now().duration_since(oldest.timestamp()));
    age.map_or(0.0, |age| age.as_secs_f64().max(0.0))
}
