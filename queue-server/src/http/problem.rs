//! Errors as clients see them: RFC 9457 problem details with a stable code. The one place that
//! knows HTTP statuses; each code is a row in docs/ERRORS.md.

use std::any::Any;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use billing_core::ledger::LedgerError;
use serde_json::{Value, json};

use crate::look::LookError;
use crate::mirror::comparison::ComparisonError;
use crate::stripe::StripeError;

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
    /// Nobody was ever registered or bound under this id.
    CustomerUnknown,
    /// The event's id can't be used.
    EventIdInvalid,
    /// Stripe has no such event, or has it no more.
    EventUnknown,
    /// The query is not what the path takes.
    QueryInvalid,
    /// The path takes no query.
    QueryUnexpected,
    /// The body is not exactly what is documented.
    BodyInvalid,
    /// No such plan is sold.
    PlanUnknown,
    /// Customers are not sent back there (B2).
    ReturnUrlRefused,
    /// Stripe does not take this payment method for this customer.
    PaymentMethodRefused,
    /// The customer has a subscription (B1).
    SubscriptionAlreadyActive,
    /// The customer has no subscription.
    SubscriptionMissing,
    /// Stripe knows no such customer.
    StripeCustomerMissing,
    /// Another call for the customer is under way.
    SubscribeInProgress,
    /// What is due must be paid first.
    PaymentDue,
    /// A plan changes like this in the portal only.
    PlanChangeInPortal,
    /// No such checkout was opened for the customer.
    CheckoutUnknown,
    /// A call to Stripe failed.
    Stripe(StripeError),
    /// This server is not to call Stripe.
    StripeNotConfigured,
    /// As many calls to Stripe are under way as may be.
    TooManyCalls,
    /// Billing is switched off (K1).
    BillingOff,
    /// As many deliveries are being read as may be.
    TooManyDeliveries,
    /// The mirror can't be read.
    MirrorUnreadable,
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
        self.row().0
    }

    /// The status that it is answered with.
    pub(crate) fn status(self) -> StatusCode {
        self.row().1
    }

    /// What a person is told.
    pub(crate) fn detail(self) -> &'static str {
        self.row().2
    }

    /// What it is answered with.
    pub(crate) fn body(self) -> Value {
        let (code, status, detail) = self.row();
        json!({
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "code": code,
            "detail": detail,
        })
    }

    /// Code, status, and what a person is told.
    fn row(self) -> (&'static str, StatusCode, &'static str) {
        const AGAIN: &str = "It could not be completed now. Send it again.";
        const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
        match self {
            Self::NotFound => (
                "not_found",
                StatusCode::NOT_FOUND,
                "There is nothing at this path.",
            ),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "This path does not take this method.",
            ),
            Self::SignatureInvalid => (
                "signature_invalid",
                StatusCode::BAD_REQUEST,
                "The signature did not verify.",
            ),
            Self::EventMalformed => (
                "event_malformed",
                StatusCode::BAD_REQUEST,
                "The body is not a Stripe event.",
            ),
            Self::BodyTooLarge => (
                "body_too_large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is larger than this path takes.",
            ),
            Self::BodyTimeout => (
                "body_timeout",
                StatusCode::REQUEST_TIMEOUT,
                "The body did not arrive in time.",
            ),
            Self::BodyBroken => (
                "body_broken",
                StatusCode::BAD_REQUEST,
                "The body broke off.",
            ),
            Self::Unauthenticated => (
                "unauthenticated",
                StatusCode::UNAUTHORIZED,
                "A valid bearer token is needed.",
            ),
            Self::CustomerIdInvalid => (
                "customer_id_invalid",
                StatusCode::UNPROCESSABLE_ENTITY,
                "A customer id is 1 to 248 printable ASCII characters without spaces, and does not begin with \"stripe:\".",
            ),
            Self::CustomerUnknown => (
                "customer_unknown",
                StatusCode::NOT_FOUND,
                "No customer has this id.",
            ),
            Self::EventIdInvalid => (
                "event_id_invalid",
                StatusCode::UNPROCESSABLE_ENTITY,
                "An event's id is `evt_` with letters, digits or underscores.",
            ),
            Self::EventUnknown => (
                "event_unknown",
                StatusCode::NOT_FOUND,
                "Stripe has no such event, or has it no more.",
            ),
            Self::QueryInvalid => (
                "query_invalid",
                StatusCode::BAD_REQUEST,
                "The query is not what this path takes. `limit` is 1 to 500; `cursor` is as the page before gave it in `next`.",
            ),
            Self::BillingOff => ("billing_off", UNAVAILABLE, "Billing is switched off."),
            Self::MirrorUnreadable => (
                "mirror_unreadable",
                UNAVAILABLE,
                "The mirror can't be read now. Send it again.",
            ),
            Self::TooManyDeliveries => (
                "too_many_deliveries",
                UNAVAILABLE,
                "Too many deliveries come at once. Send it again.",
            ),
            // Whatever went wrong in here, nothing was promised, and the same again is safe.
            Self::NotCommitted(error) => (error.code(), UNAVAILABLE, AGAIN),
            Self::CommitTimeout => ("commit_timeout", UNAVAILABLE, AGAIN),
            Self::Panicked => ("server_panicked", UNAVAILABLE, AGAIN),
            _ => self.money_row(),
        }
    }

    /// The same of what only the money path answers.
    fn money_row(self) -> (&'static str, StatusCode, &'static str) {
        const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
        match self {
            Self::QueryUnexpected => (
                "query_unexpected",
                StatusCode::BAD_REQUEST,
                "This path takes no query.",
            ),
            Self::BodyInvalid => (
                "body_invalid",
                UNPROCESSABLE,
                "The body is not a JSON object with the documented fields and no others.",
            ),
            Self::PlanUnknown => ("plan_unknown", UNPROCESSABLE, "No such plan is sold."),
            Self::ReturnUrlRefused => (
                "return_url_refused",
                UNPROCESSABLE,
                "The URL's origin is none that customers are sent back to.",
            ),
            Self::PaymentMethodRefused => (
                "payment_method_refused",
                UNPROCESSABLE,
                "The payment method can't be used for this customer.",
            ),
            // Upper-case as the pages that were there before know it.
            Self::SubscriptionAlreadyActive => (
                "SUBSCRIPTION_ALREADY_ACTIVE",
                StatusCode::CONFLICT,
                "The customer has a subscription already.",
            ),
            Self::SubscriptionMissing => (
                "subscription_missing",
                StatusCode::CONFLICT,
                "The customer has no subscription.",
            ),
            Self::StripeCustomerMissing => (
                "stripe_customer_missing",
                StatusCode::CONFLICT,
                "The customer never began to subscribe.",
            ),
            Self::SubscribeInProgress => (
                "subscribe_in_progress",
                StatusCode::CONFLICT,
                "Another call for this customer is under way. Send it again.",
            ),
            Self::PaymentDue => (
                "payment_due",
                StatusCode::CONFLICT,
                "What is due must be paid before the plan changes.",
            ),
            Self::PlanChangeInPortal => (
                "plan_change_in_portal",
                StatusCode::CONFLICT,
                "The plan changes like this in the customer portal.",
            ),
            Self::CheckoutUnknown => (
                "checkout_unknown",
                StatusCode::NOT_FOUND,
                "No such checkout was opened for this customer.",
            ),
            Self::Stripe(error) => stripe_row(error),
            Self::StripeNotConfigured => (
                "stripe_not_configured",
                StatusCode::SERVICE_UNAVAILABLE,
                "This server is not set up to call Stripe.",
            ),
            Self::TooManyCalls => (
                "too_many_calls",
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many calls to Stripe are under way. Send it again.",
            ),
            _ => Self::Panicked.row(),
        }
    }
}

impl From<StripeError> for Problem {
    fn from(error: StripeError) -> Self {
        Self::Stripe(error)
    }
}

impl From<ComparisonError> for Problem {
    fn from(error: ComparisonError) -> Self {
        match error {
            ComparisonError::Mirror(_) => Self::MirrorUnreadable,
            ComparisonError::Store(error) => Self::NotCommitted(LedgerError::Store(error)),
            ComparisonError::Ledger(error) => Self::NotCommitted(error),
        }
    }
}

impl From<LookError> for Problem {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Stripe(error) => Self::Stripe(error),
            LookError::Store(error) => Self::NotCommitted(LedgerError::Store(error)),
        }
    }
}

fn stripe_row(error: StripeError) -> (&'static str, StatusCode, &'static str) {
    match error {
        StripeError::Declined(_) => (
            error.code(),
            StatusCode::PAYMENT_REQUIRED,
            "The payment method was declined.",
        ),
        error if error.is_transient() || error == StripeError::KeySpent => (
            error.code(),
            StatusCode::SERVICE_UNAVAILABLE,
            "Stripe can't be asked now. Send it again.",
        ),
        error => (
            error.code(),
            StatusCode::BAD_GATEWAY,
            "Stripe refuses what this server asks.",
        ),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let status = self.status();
        let mut response = Response::new(Body::from(self.body().to_string()));
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
