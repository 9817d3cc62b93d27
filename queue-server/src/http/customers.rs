//! `PUT /api/v1/billing/customers/{id}`: a mirror row for everyone who signs up (M6).

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use billing_core::id::CustomerId;
use billing_core::ledger::Command;
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::vocabulary;
use super::problem::Problem;
use crate::app::App;
use crate::clock;

/// The answer to a registration.
#[derive(Serialize, ToSchema)]
pub(crate) struct Registered {
    #[schema(value_type = vocabulary::ChosenCustomerId)]
    queue_customer_id: String,
    /// `applied`: there was no row yet. `duplicate`: there was.
    #[schema(value_type = vocabulary::RegistrationOutcome)]
    outcome: &'static str,
}

/// Register a customer; any number of times.
///
/// Makes their row in the mirror, `free` and `none`, unless there is one.
#[utoipa::path(
    put,
    path = "/api/v1/billing/customers/{id}",
    operation_id = "register_customer",
    tag = "customers",
    params(("id" = inline(vocabulary::ChosenCustomerId), Path, description = "Your own id of the customer")),
    responses((status = 200, description = "The row is there", body = Registered)),
)]
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
