//! Errors as clients see them: RFC 9457 problem details with a stable code. The one place that
//! knows HTTP statuses; each code is a row in docs/ERRORS.md.

use std::any::Any;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use billing_core::ledger::LedgerError;
use serde_json::json;

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// No such path.
    NotFound,
    /// The path does not take this method.
    MethodNotAllowed,
    /// The signature did not verify, for whatever reason (S4).
    SignatureInvalid,
    /// The signed body is no event.
    EventMalformed,
    /// The body is too large.
    BodyTooLarge,
    /// The body did not come in time.
    BodyTimeout,
    /// The body broke off.
    BodyBroken,
    /// No valid internal token.
    Unauthenticated,
    /// The customer's id can't be used.
    CustomerIdInvalid,
    /// Billing is switched off (K1).
    BillingOff,
    /// As many deliveries are being read as may be.
    TooManyDeliveries,
    /// It could not be committed, or not in time.
    NotCommitted(LedgerError),
    /// It was not committed in time: it may still be.
    CommitTimeout,
    /// The server made a mistake.
    Panicked,
}

/// Seconds after which a client should try again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

impl Problem {
    /// The stable code.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::SignatureInvalid => "signature_invalid",
            Self::EventMalformed => "event_malformed",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::BodyBroken => "body_broken",
            Self::Unauthenticated => "unauthenticated",
            Self::CustomerIdInvalid => "customer_id_invalid",
            Self::BillingOff => "billing_off",
            Self::TooManyDeliveries => "too_many_deliveries",
            Self::NotCommitted(error) => error.code(),
            Self::CommitTimeout => "commit_timeout",
            Self::Panicked => "server_panicked",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::SignatureInvalid | Self::EventMalformed | Self::BodyBroken => {
                StatusCode::BAD_REQUEST
            }
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::CustomerIdInvalid => StatusCode::UNPROCESSABLE_ENTITY,
            // Whatever went wrong in here, nothing was promised, and the same again is safe.
            Self::BillingOff
            | Self::TooManyDeliveries
            | Self::NotCommitted(_)
            | Self::CommitTimeout
            | Self::Panicked => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn detail(self) -> &'static str {
        match self {
            Self::NotFound => "There is nothing at this path.",
            Self::MethodNotAllowed => "This path does not take this method.",
            Self::SignatureInvalid => "The signature did not verify.",
            Self::EventMalformed => "The body is not a Stripe event.",
            Self::BodyTooLarge => "The body is larger than 1 MiB.",
            Self::BodyTimeout => "The body did not arrive in time.",
            Self::BodyBroken => "The body broke off.",
            Self::Unauthenticated => "A valid internal bearer token is needed.",
            Self::CustomerIdInvalid => {
                "A customer id is 1 to 248 printable ASCII characters without spaces, and does not begin with \"stripe:\"."
            }
            Self::BillingOff => "Billing is switched off.",
            Self::TooManyDeliveries => "Too many deliveries come at once. Send it again.",
            Self::NotCommitted(_) | Self::CommitTimeout | Self::Panicked => {
                "It could not be made durable now. Send it again."
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let status = self.status();
        let body = json!({
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "code": self.code(),
            "detail": self.detail(),
        });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// What a panic is answered with. Its message stays in the log of the panic hook.
pub(crate) fn of_panic(_: Box<dyn Any + Send + 'static>) -> Response<Body> {
    tracing::error!(
        code = Problem::Panicked.code(),
        "a request handler panicked"
    );
    Problem::Panicked.into_response()
}
