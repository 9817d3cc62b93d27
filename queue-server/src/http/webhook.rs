//! `POST /api/v1/billing/webhook`: Stripe's deliveries.
//!
//! 200 says that the outcome is committed. 400: not signed by Stripe, or not an event; nothing is
//! kept. 413: too large. 503: not committed, or nobody knows; Stripe sends it again.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State};
use billing_core::alert::Alert;
use billing_core::event::{Event, EventType};
use billing_core::ledger::{Command, Outcome};
use billing_core::signature::{self, Delivery, MAX_BODY_BYTES};
use metrics::counter;
use serde::Serialize;
use utoipa::ToSchema;

use super::body;
use super::openapi::vocabulary;
use super::problem::Problem;
use crate::app::App;
use crate::clock;

/// The answer to a delivery.
#[derive(Serialize, ToSchema)]
pub(crate) struct Receipt {
    #[schema(value_type = vocabulary::EventOutcome)]
    outcome: &'static str,
}

/// Take a delivery of Stripe's.
///
/// 200 says that the outcome is committed. Whatever else it is answered, Stripe sends it again. The body must be
/// the very bytes that were signed.
#[utoipa::path(
    post,
    path = "/api/v1/billing/webhook",
    operation_id = "receive_delivery",
    tag = "webhook",
    params(("Stripe-Signature" = String, Header, description = "`t=` a Unix time, and `v1=` an HMAC-SHA256 over it and the body")),
    request_body = vocabulary::StripeEvent,
    responses((status = 200, description = "Committed", body = Receipt)),
)]
pub(crate) async fn receive(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Json<Receipt>, Problem> {
    let began = Instant::now();
    let permit = app
        .deliveries
        .try_acquire()
        .map_err(|_| Problem::TooManyDeliveries)?;
    let delivery = read(request).await?;
    let now = clock::now();
    let payload = signature::verify(delivery, &app.signing_keys, now).map_err(|error| {
        counter!("billing_verify_failures_total", "reason" => error.code()).increment(1);
        app.alerts.raise(Alert::SignatureFailed, now);
        Problem::SignatureInvalid
    })?;
    let event = Event::decode(&payload).map_err(|error| {
        counter!("billing_decode_failures_total", "reason" => error.code()).increment(1);
        tracing::warn!(code = error.code(), "a signed body is no event");
        Problem::EventMalformed
    })?;
    drop(permit);
    let (id, event_type) = (event.id.clone(), event.event_type.clone());
    let outcome = app.commit(Command::Ingest(Box::new(event)), now).await?;
    #[cfg(feature = "failpoints")]
    crate::failpoint::reach("before_answer");
    count(&event_type, outcome);
    tracing::info!(
        event_id = %id,
        event_type = %event_type,
        outcome = outcome.as_str(),
        milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "event"
    );
    Ok(Json(Receipt {
        outcome: outcome.as_str(),
    }))
}

/// Counts an event that was taken.
pub(super) fn count(event_type: &EventType, outcome: Outcome) {
    let labels = [
        ("type", event_type.label().to_owned()),
        ("outcome", outcome.as_str().to_owned()),
    ];
    counter!("billing_events_total", &labels).increment(1);
}

/// Reads the request as it came: the body is not decompressed or decoded, whatever it claims.
async fn read(request: Request) -> Result<Delivery, Problem> {
    let (parts, body) = request.into_parts();
    let announced = parts
        .headers
        .get("content-length")
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > MAX_BODY_BYTES as u64) {
        return Err(Problem::BodyTooLarge);
    }
    let body = body::read(body, MAX_BODY_BYTES).await?;
    Ok(Delivery::new(
        body,
        parts.headers.get_all("stripe-signature"),
    ))
}
