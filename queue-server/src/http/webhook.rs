//! `POST /api/v1/billing/webhook`: Stripe's deliveries.
//!
//! 200 says that the outcome is committed. 400: not signed by Stripe, or not an event; nothing is
//! kept. 413: too large. 503: not committed, or nobody knows; Stripe sends it again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use billing_core::alert::Alert;
use billing_core::event::Event;
use billing_core::ledger::Command;
use billing_core::signature::{self, Delivery, MAX_BODY_BYTES};
use http_body_util::BodyExt;
use metrics::counter;
use serde::Serialize;

use super::problem::Problem;
use crate::app::App;
use crate::clock;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The answer to a delivery.
#[derive(Serialize)]
pub(crate) struct Receipt {
    outcome: &'static str,
}

/// Takes a delivery.
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
    let labels = [
        ("type", event_type.label().to_owned()),
        ("outcome", outcome.as_str().to_owned()),
    ];
    counter!("billing_events_total", &labels).increment(1);
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
    // Unconstrained: a client whose bytes never pause (a chunk's length of zeros without end) uses
    // up its task's budget before this is polled, and the timeout would wait for ever for its turn.
    let body = tokio::time::timeout(BODY_TIMEOUT, read_body(body));
    let body = match tokio::task::unconstrained(body).await {
        Ok(body) => body?,
        Err(_) => return Err(Problem::BodyTimeout),
    };
    Ok(Delivery::new(
        body,
        parts.headers.get_all("stripe-signature"),
    ))
}

/// Reads into one buffer: kept as they came, a million chunks of a byte would take forty times as
/// much as the body that they make.
async fn read_body(mut body: Body) -> Result<Bytes, Problem> {
    let mut gathered = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::BodyBroken)?;
        let data = frame.into_data().unwrap_or_default();
        if gathered.len() + data.len() > MAX_BODY_BYTES {
            return Err(Problem::BodyTooLarge);
        }
        gathered.extend_from_slice(&data);
    }
    Ok(gathered.into())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::stream;

    use super::*;

    /// A chunk of one byte that counts for as long as anybody keeps it.
    struct Crumb(&'static AtomicUsize);

    impl AsRef<[u8]> for Crumb {
        fn as_ref(&self) -> &[u8] {
            b"x"
        }
    }

    impl Drop for Crumb {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_body_in_crumbs_takes_no_more_than_its_bytes() {
        static KEPT: AtomicUsize = AtomicUsize::new(0);
        static MOST_KEPT: AtomicUsize = AtomicUsize::new(0);
        let crumbs = (0..MAX_BODY_BYTES).map(|_| {
            let kept = KEPT.fetch_add(1, Ordering::Relaxed) + 1;
            MOST_KEPT.fetch_max(kept, Ordering::Relaxed);
            Ok::<_, Infallible>(Bytes::from_owner(Crumb(&KEPT)))
        });
        let body = read_body(Body::from_stream(stream::iter(crumbs))).await;
        assert_eq!(body.ok().unwrap(), vec![b'x'; MAX_BODY_BYTES]);
        // One is being read, and one may be on its way.
        let most = MOST_KEPT.load(Ordering::Relaxed);
        eprintln!("of {MAX_BODY_BYTES} chunks at most {most} were kept at a time");
        assert!(most <= 2, "{most}");
    }
}
