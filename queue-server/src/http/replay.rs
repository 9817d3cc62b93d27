//! `POST /internal/v1/events/{id}/replay`: reads one event from Stripe and takes it again.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use billing_core::id::EventId;
use billing_core::ledger::Command;
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::vocabulary;
use super::problem::Problem;
use super::webhook;
use crate::app::App;
use crate::clock;
use crate::stripe::StripeError;

/// What came of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Replayed {
    #[schema(value_type = vocabulary::EventId)]
    event_id: EventId,
    #[schema(value_type = vocabulary::EventOutcome)]
    outcome: &'static str,
}

/// Take an event again that Stripe still has.
///
/// Stripe keeps them for thirty days. It is taken as if it were delivered.
#[utoipa::path(
    post,
    path = "/internal/v1/events/{id}/replay",
    operation_id = "replay_event",
    tag = "operations",
    params(("id" = inline(vocabulary::EventId), Path, description = "Stripe's id of the event")),
    responses((status = 200, description = "Committed", body = Replayed)),
)]
pub(crate) async fn replay(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Replayed>, Problem> {
    let Path(id) = id.map_err(|_| Problem::EventIdInvalid)?;
    let id = EventId::parse(id).map_err(|_| Problem::EventIdInvalid)?;
    let money = app.money.as_ref().ok_or(Problem::StripeNotConfigured)?;
    let answer = match money.ask(money.stripe.event(&id)).await {
        Err(Problem::Stripe(StripeError::Missing)) => return Err(Problem::EventUnknown),
        answer => answer?,
    };
    let event = answer.event().ok().filter(|event| event.id == id);
    let event = event.ok_or(Problem::Stripe(StripeError::Unreadable))?;
    let event_type = event.event_type.clone();
    let command = Command::Ingest(Box::new(event));
    let outcome = app.commit(command, clock::now()).await?;
    webhook::count(&event_type, outcome);
    tracing::info!(
        event_id = %id,
        event_type = %event_type,
        outcome = outcome.as_str(),
        "event replayed"
    );
    Ok(Json(Replayed {
        event_id: id,
        outcome: outcome.as_str(),
    }))
}
