//! Stripe's error bodies: `{"error": {"type", "code", "message", "param", …}}` and the statuses they come with.

use serde_json::{Map, Value, json};

use super::card::Decline;

/// An answer other than success, in Stripe's terms.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    pub(super) status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
    param: Option<String>,
    /// Few, and boxed in a list: errors are passed around by value.
    details: Vec<(&'static str, Value)>,
}

impl ApiError {
    fn new(status: u16, kind: &'static str, code: Option<&'static str>, message: String) -> Self {
        Self {
            status,
            kind,
            code,
            message,
            param: None,
            details: Vec::new(),
        }
    }

    /// 400 `invalid_request_error` with a code.
    pub(super) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", Some(code), message.into())
    }

    /// 400 `invalid_request_error` without a code, as Stripe answers to requests that the object's state forbids.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", None, message.into())
    }

    /// 400 for what Stripe can do and this simulator can't: louder than ignoring it.
    pub(super) fn not_simulated(what: &str) -> Self {
        Self::refused(format!(
            "The simulator does not do this (Stripe does): {what}"
        ))
    }

    pub(super) fn parameter_missing(param: &str) -> Self {
        Self::invalid(
            "parameter_missing",
            format!("Missing required param: {param}."),
        )
        .in_param(param)
    }

    pub(super) fn parameter_unknown(param: &str) -> Self {
        Self::invalid(
            "parameter_unknown",
            format!("Received unknown parameter: {param}"),
        )
        .in_param(param)
    }

    /// 404 `resource_missing`: the id in the path names nothing.
    pub(super) fn resource_missing(noun: &str, id: &str) -> Self {
        let message = format!("No such {noun}: '{id}'");
        let mut error = Self::invalid("resource_missing", message).in_param("id");
        error.status = 404;
        error
    }

    /// The same problem, found in a parameter: Stripe names it, and what is missing is 400 then.
    pub(super) fn in_param(mut self, param: &str) -> Self {
        if self.status == 404 {
            self.status = 400;
        }
        self.param = Some(param.to_owned());
        self
    }

    pub(super) fn unknown_path(method: &str, path: &str) -> Self {
        let message = format!("Unrecognized request URL ({method}: {path}).");
        Self::new(404, "invalid_request_error", None, message)
    }

    pub(super) fn unauthenticated(message: &str) -> Self {
        Self::new(401, "invalid_request_error", None, message.to_owned())
    }

    pub(super) fn idempotency_mismatch(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the parameters they were first used with: '{key}'."
        );
        Self::new(400, "idempotency_error", None, message)
    }

    /// 409: a request with the same key has begun and is not answered yet.
    pub(super) fn idempotency_key_in_use() -> Self {
        let message = "A request with this idempotency key is in progress: try again later.";
        let mut error = Self::invalid("idempotency_key_in_use", message);
        error.status = 409;
        error
    }

    /// Another request, or Stripe itself, holds the object.
    pub(super) fn lock_timeout(status: u16) -> Self {
        let message =
            "The object can't be accessed right now: another request or process is using it.";
        let mut error = Self::invalid("lock_timeout", message);
        error.status = status;
        error
    }

    /// 429
    pub(super) fn rate_limited() -> Self {
        let mut error = Self::invalid("rate_limit", "Too many requests in too short a time.");
        error.status = 429;
        error
    }

    /// `api_error`: Stripe's own fault.
    pub(super) fn server(status: u16) -> Self {
        let message = "An unexpected error occurred at Stripe.".to_owned();
        Self::new(status, "api_error", None, message)
    }

    /// 401: a publishable key opens little.
    pub(super) fn secret_key_required() -> Self {
        let message = "A publishable key can't make this call: use a secret key.";
        let mut error = Self::invalid("secret_key_required", message);
        error.status = 401;
        error
    }

    /// 402 `card_error`; the payment intent and method go where Stripe puts them.
    pub(super) fn card(decline: &Decline) -> Self {
        let error = Self::new(
            402,
            "card_error",
            Some(decline.code),
            decline.message.to_owned(),
        );
        match decline.decline_code {
            Some(reason) => error.with_detail("decline_code", reason.into()),
            None => error,
        }
    }

    /// 402: the card wants 3-D Secure, and the customer isn't there.
    pub(super) fn requires_action(code: &'static str) -> Self {
        let message = "The payment needs the customer's authentication.".to_owned();
        Self::new(402, "card_error", Some(code), message)
    }

    pub(super) fn with_detail(mut self, name: &'static str, value: Value) -> Self {
        self.details.push((name, value));
        self
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn body(&self) -> Value {
        let mut error = Map::new();
        if let Some(code) = self.code {
            error.insert("code".into(), code.into());
            let doc_url = format!(
                "https://stripe.com/docs/error-codes/{}",
                code.replace('_', "-")
            );
            error.insert("doc_url".into(), doc_url.into());
        }
        error.insert("message".into(), self.message.as_str().into());
        if let Some(param) = &self.param {
            error.insert("param".into(), param.as_str().into());
        }
        let details = self.details.iter().cloned();
        error.extend(details.map(|(name, value)| (name.to_owned(), value)));
        error.insert("type".into(), self.kind.into());
        json!({ "error": error })
    }
}
