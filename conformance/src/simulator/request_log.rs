//! The requests that came in, so that a test can say which calls left a program and what they carried.

use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::http::header_text;

/// A request to the API, as it came in. Pages (checkout, portal) are not logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedRequest {
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// For example `/v1/customers/cus_…`.
    pub path: String,
    /// Of the query, then of the form, in their order and decoded: `("items[0][price]", "price_…")`.
    pub params: Vec<(String, String)>,
    /// `Idempotency-Key`
    pub idempotency_key: Option<String>,
    /// `Stripe-Version`
    pub api_version: Option<String>,
    /// `Stripe-Account`
    pub account: Option<String>,
    /// The status it was answered with; none while it is in flight, and for ever if it never was answered.
    pub status: Option<u16>,
}

impl ReceivedRequest {
    /// The value of a parameter; of the last, where it was sent more than once.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        let mut found = self.params.iter().rev().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Default)]
pub(super) struct RequestLog(Vec<ReceivedRequest>);

impl RequestLog {
    /// Notes a request that came in and returns its number.
    pub(super) fn note(&mut self, parts: &Parts, body: &[u8]) -> usize {
        let header = |name| owned_header(&parts.headers, name);
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let pairs = form_urlencoded::parse(query).chain(form_urlencoded::parse(body));
        self.0.push(ReceivedRequest {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            params: pairs
                .map(|(key, value)| (key.into_owned(), value.into_owned()))
                .collect(),
            idempotency_key: header("Idempotency-Key"),
            api_version: header("Stripe-Version"),
            account: header("Stripe-Account"),
            status: None,
        });
        self.0.len() - 1
    }

    pub(super) fn answered(&mut self, number: usize, status: u16) {
        if let Some(request) = self.0.get_mut(number) {
            request.status = Some(status);
        }
    }

    pub(super) fn all(&self) -> Vec<ReceivedRequest> {
        self.0.clone()
    }
}

fn owned_header(headers: &HeaderMap, name: &str) -> Option<String> {
    header_text(headers, name).map(str::to_owned)
}
