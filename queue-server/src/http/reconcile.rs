//! `POST /internal/v1/reconcile` asks for one, `GET` tells of the one that runs, or ran last (B4).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use billing_core::ledger::LedgerError;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::page::NoQuery;
use super::problem::Problem;
use crate::app::App;
use crate::clock;
use crate::reconcile::{Progress, Report};

/// What is known of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reconcile {
    /// Whether a server is at it.
    running: bool,
    /// When the last one came to its end; `null` while one is not at its end.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    ended_at: Option<Timestamp>,
    report: Report,
}

/// Ask for a reconcile with Stripe.
///
/// It begins within seconds, unless one runs.
#[utoipa::path(
    post,
    path = "/internal/v1/reconcile",
    operation_id = "ask_for_reconcile",
    tag = "operations",
    responses((status = 202, description = "Asked for; and what is known of the last one", body = Reconcile)),
)]
pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    _: NoQuery,
) -> Result<(StatusCode, Json<Reconcile>), Problem> {
    if app.money.is_none() {
        return Err(Problem::StripeNotConfigured);
    }
    app.reconcile_asked.notify_one();
    Ok((StatusCode::ACCEPTED, known(&app).await?))
}

/// Tell of the reconcile that runs, or ran last.
#[utoipa::path(
    get,
    path = "/internal/v1/reconcile",
    operation_id = "read_reconcile",
    tag = "operations",
    responses((status = 200, description = "What it found so far", body = Reconcile)),
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    _: NoQuery,
) -> Result<Json<Reconcile>, Problem> {
    known(&app).await
}

async fn known(app: &App) -> Result<Json<Reconcile>, Problem> {
    let run = app.store.reconcile_run().await;
    let run = run.map_err(|error| Problem::NotCommitted(LedgerError::Store(error)))?;
    let progress: Progress = serde_json::from_str(&run.progress).unwrap_or_default();
    Ok(Json(Reconcile {
        running: run
            .lease_until
            .is_some_and(|until| until.timestamp() > clock::now()),
        ended_at: run.ended_at.map(|ended_at| ended_at.timestamp()),
        report: progress.report,
    }))
}
