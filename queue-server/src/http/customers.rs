//! `PUT /api/v1/billing/customers/{id}`: a mirror row for everyone who signs up (M6).

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use billing_core::id::CustomerId;
use billing_core::ledger::Command;
use serde::Serialize;

use super::problem::Problem;
use crate::app::App;
use crate::clock;

/// The answer to a registration.
#[derive(Serialize)]
pub(crate) struct Registered {
    queue_customer_id: String,
    /// `applied`: there was no row yet. `duplicate`: there was.
    outcome: &'static str,
}

/// Registers a customer; any number of times.
pub(crate) async fn register(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Registered>, Problem> {
    let Path(id) = id.map_err(|_| Problem::CustomerIdInvalid)?;
    let id = CustomerId::chosen(id).map_err(|_| Problem::CustomerIdInvalid)?;
    let outcome = app
        .commit(Command::RegisterCustomer(id.clone()), clock::now())
        .await?;
    tracing::info!(queue_customer_id = %id, outcome = outcome.as_str(), "customer registered");
    Ok(Json(Registered {
        queue_customer_id: id.to_string(),
        outcome: outcome.as_str(),
    }))
}
