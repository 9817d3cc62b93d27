//! What can go wrong with a call, by Stripe's types and codes. Carries no text of Stripe's.

use reqwest::StatusCode;
use serde::Deserialize;

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StripeError {
    /// No connection could be made: nothing was asked.
    #[error("Stripe can't be reached")]
    NotReached,
    /// No answer came in time.
    #[error("Stripe did not answer in time")]
    TimedOut,
    /// The answer broke off.
    #[error("Stripe's answer broke off")]
    BrokeOff,
    /// The answer is not what Stripe documents.
    #[error("Stripe's answer can't be read")]
    Unreadable,
    /// The answer names another address. It was not followed.
    #[error("Stripe's address answers with a redirect")]
    Redirected,
    /// 5xx: it may have taken effect.
    #[error("Stripe is unavailable")]
    Unavailable,
    /// 5xx, as it was answered before: whatever became of it then, this is all that its key will tell.
    #[error("Stripe failed at it before, and only repeats that")]
    KeySpent,
    /// 429: nothing was done.
    #[error("Stripe takes no more calls now")]
    RateLimited,
    /// 409: another call holds the object, or the idempotency key.
    #[error("another call to Stripe is under way")]
    Conflict,
    /// 401: the key is none.
    #[error("Stripe does not take the key")]
    Unauthenticated,
    /// 403: a restricted key lacks a permission.
    #[error("the key lacks a permission")]
    Forbidden,
    /// The idempotency key came with other parameters before.
    #[error("the idempotency key was used for something else")]
    KeyReused,
    /// There is no such object.
    #[error("Stripe has no such object")]
    Missing,
    /// 402: the payment method was declined.
    #[error("the payment method was declined")]
    Declined(Decline),
    /// Stripe does not take the parameters, or not in the object's state.
    #[error("Stripe refuses it")]
    Refused,
}

/// Why a payment method was declined, as far as a customer can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decline {
    /// By the bank, for whatever reason.
    Declined,
    /// It has expired.
    Expired,
    /// Too little money.
    InsufficientFunds,
    /// A number was mistyped.
    Mistyped,
    /// The customer must authenticate.
    AuthenticationRequired,
}

impl Decline {
    fn of(code: &str, decline_code: &str) -> Self {
        match (code, decline_code) {
            ("expired_card", _) => Self::Expired,
            ("incorrect_cvc" | "incorrect_number" | "invalid_cvc" | "invalid_number", _) => {
                Self::Mistyped
            }
            ("authentication_required", _) | (_, "authentication_required") => {
                Self::AuthenticationRequired
            }
            (_, "insufficient_funds") => Self::InsufficientFunds,
            _ => Self::Declined,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Declined => "payment_declined",
            Self::Expired => "payment_method_expired",
            Self::InsufficientFunds => "insufficient_funds",
            Self::Mistyped => "payment_method_mistyped",
            Self::AuthenticationRequired => "authentication_required",
        }
    }
}

/// `{"error": {…}}`. A field of another type than documented is as good as none.
#[derive(Debug, Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    error: ErrorObject,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorObject {
    r#type: String,
    code: Option<String>,
    decline_code: Option<String>,
}

impl StripeError {
    /// A stable name: in answers, metrics' labels and the log.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotReached => "stripe_not_reached",
            Self::TimedOut => "stripe_timed_out",
            Self::BrokeOff => "stripe_broke_off",
            Self::Unreadable => "stripe_unreadable",
            Self::Redirected => "stripe_redirected",
            Self::Unavailable => "stripe_unavailable",
            Self::KeySpent => "stripe_key_spent",
            Self::RateLimited => "stripe_rate_limited",
            Self::Conflict => "stripe_conflict",
            Self::Unauthenticated => "stripe_unauthenticated",
            Self::Forbidden => "stripe_forbidden",
            Self::KeyReused => "stripe_key_reused",
            Self::Missing => "stripe_object_missing",
            Self::Declined(decline) => decline.code(),
            Self::Refused => "stripe_refused",
        }
    }

    /// Whether the same call may succeed later, under the same key.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::NotReached
                | Self::TimedOut
                | Self::BrokeOff
                | Self::Unreadable
                | Self::Unavailable
                | Self::RateLimited
                | Self::Conflict
        )
    }

    /// Whether the same call will never succeed under the same key.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Missing | Self::Declined(_) | Self::Refused | Self::KeySpent | Self::KeyReused
        )
    }

    pub(super) fn of_transport(error: &reqwest::Error) -> Self {
        if error.is_connect() {
            Self::NotReached
        } else if error.is_timeout() {
            Self::TimedOut
        } else {
            Self::BrokeOff
        }
    }

    pub(super) fn of_answer(status: StatusCode, replayed: bool, body: &[u8]) -> Self {
        let ErrorBody { error } = serde_json::from_slice(body).unwrap_or_default();
        let code = error.code.unwrap_or_default();
        match status.as_u16() {
            300..=399 => Self::Redirected,
            401 => Self::Unauthenticated,
            403 => Self::Forbidden,
            409 => Self::Conflict,
            429 => Self::RateLimited,
            500.. if replayed => Self::KeySpent,
            500.. => Self::Unavailable,
            _ if error.r#type == "idempotency_error" => Self::KeyReused,
            _ if error.r#type == "card_error" => {
                Self::Declined(Decline::of(&code, &error.decline_code.unwrap_or_default()))
            }
            404 => Self::Missing,
            _ if code == "resource_missing" => Self::Missing,
            400..=499 => Self::Refused,
            _ => Self::Unreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> StripeError {
        StripeError::of_answer(
            StatusCode::from_u16(status).unwrap_or_default(),
            false,
            body.as_bytes(),
        )
    }

    #[test]
    fn errors_are_told_apart_by_type_and_code() {
        let declined = |code: &str, decline: &str| {
            format!(
                r#"{{"error": {{"type": "card_error", "code": "{code}", "decline_code": "{decline}", "message": "m"}}}}"#
            )
        };
        let cases = [
            (
                402,
                declined("card_declined", "generic_decline"),
                "payment_declined",
            ),
            (
                402,
                declined("card_declined", "insufficient_funds"),
                "insufficient_funds",
            ),
            (
                402,
                declined("expired_card", "expired_card"),
                "payment_method_expired",
            ),
            (
                400,
                r#"{"error": {"type": "invalid_request_error", "code": "resource_missing"}}"#
                    .to_owned(),
                "stripe_object_missing",
            ),
            (
                400,
                r#"{"error": {"type": "idempotency_error"}}"#.to_owned(),
                "stripe_key_reused",
            ),
            (
                400,
                r#"{"error": {"type": "invalid_request_error"}}"#.to_owned(),
                "stripe_refused",
            ),
            (400, "<html>".to_owned(), "stripe_refused"),
            (
                400,
                r#"{"error": {"type": 7}}"#.to_owned(),
                "stripe_refused",
            ),
            (401, "{}".to_owned(), "stripe_unauthenticated"),
            (404, "{}".to_owned(), "stripe_object_missing"),
            (409, "{}".to_owned(), "stripe_conflict"),
            (429, "{}".to_owned(), "stripe_rate_limited"),
            (302, "{}".to_owned(), "stripe_redirected"),
            (503, String::new(), "stripe_unavailable"),
        ];
        for (status, body, code) in cases {
            assert_eq!(of(status, &body).code(), code, "{status} {body}");
        }
    }
}
