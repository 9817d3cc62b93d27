//! The API over HTTP: keys, versions, idempotency, failures on purpose, and Stripe's headers on every response.
//!
//! 1. A request that has begun is carried out even if the caller hangs up, as it is at Stripe.
//! 2. The account is locked while a request is carried out, and never while one waits.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::Response;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::watch;

use super::call::{Call, Cause};
use super::delivery::lock;
use super::error::ApiError;
use super::failure::{Failure, FailureKind, Failures, When};
use super::form::Params;
use super::idempotency::Replays;
use super::latency::Latency;
use super::object::show_livemode;
use super::page;
use super::rate_limit::RateLimit;
use super::request_log::RequestLog;
use super::routes;
use super::shape::ApiVersion;
use super::world::World;

mod connection;
mod key;

pub(super) use connection::serve;

const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Of an idempotency key.
const MAX_KEY: usize = 255;

/// What all requests share.
pub(super) struct Account {
    pub(super) world: World,
    pub(super) replays: Replays,
    pub(super) log: RequestLog,
    pub(super) failures: Failures,
    pub(super) rate_limit: RateLimit,
    pub(super) latency: Latency,
}

/// Answers requests; cloned for each.
#[derive(Clone)]
pub(super) struct Front {
    account: Arc<Mutex<Account>>,
    stop: watch::Receiver<bool>,
}

/// The connection ends without an answer.
#[derive(Debug)]
pub(super) struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("closed on purpose")
    }
}

impl std::error::Error for Closed {}

/// A request that was noted, and what is to become of it.
struct Arrival {
    number: usize,
    request_id: String,
    call: Result<Call, ApiError>,
    key: Option<String>,
    failure: Option<Failure>,
    wait: Duration,
}

struct Answer {
    status: u16,
    body: Value,
    replayed: bool,
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        Self {
            status: error.status,
            body: error.body(),
            replayed: false,
        }
    }
}

impl Front {
    pub(super) fn new(account: Arc<Mutex<Account>>, stop: watch::Receiver<bool>) -> Self {
        Self { account, stop }
    }

    async fn handle(mut self, request: Request<Incoming>) -> Result<Response, Closed> {
        let (parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
            let error = ApiError::refused("The request is too large.");
            return Ok(json(413, &error.body()));
        };
        let body: Bytes = body.to_bytes();
        let page = page::answer(
            &mut lock(&self.account).world,
            parts.method.as_str(),
            parts.uri.path(),
            &body,
        );
        if let Some(page) = page {
            return Ok(page.into_response());
        }
        let arrival = lock(&self.account).arrive(&parts, &body);
        let (number, request_id) = (arrival.number, arrival.request_id.clone());
        let failure = arrival.failure.clone();
        let before = failure
            .as_ref()
            .filter(|failure| failure.kind.when() == When::BeforeEffect);
        let mut response = match before {
            Some(failure) => self.fail(&failure.kind).await?,
            None => {
                let work = tokio::spawn(carry_out(Arc::clone(&self.account), arrival));
                // It panicked, or the runtime ends: the caller sees what a crashed server looks like.
                let answer = work.await.map_err(|_| Closed)?;
                let lossy = failure.as_ref().map(|failure| &failure.kind);
                self.reply(answer, lossy).await?
            }
        };
        let status = response.status().as_u16();
        lock(&self.account).log.answered(number, status);
        tracing::info!(method = %parts.method, path = parts.uri.path(), status, request_id, "answered");
        let headers = response.headers_mut();
        mark(headers, "Request-Id", &request_id);
        for name in ["Idempotency-Key", "Stripe-Version"] {
            if let Some(value) = parts.headers.get(name) {
                headers.insert(name, value.clone());
            }
        }
        if let Some(should_retry) = failure.and_then(|failure| failure.should_retry) {
            mark(headers, "Stripe-Should-Retry", &should_retry.to_string());
        }
        Ok(response)
    }

    /// A failure before the effect.
    async fn fail(&mut self, kind: &FailureKind) -> Result<Response, Closed> {
        match kind {
            FailureKind::Hang(_) => {
                connection::stopped(&mut self.stop).await;
                Err(Closed)
            }
            FailureKind::Html => Ok(text(200, "text/html", "<html><body>Hello</body></html>\n")),
            FailureKind::Redirect { location } => {
                let mut response = text(302, "text/plain", "elsewhere\n");
                mark(response.headers_mut(), "Location", location);
                Ok(response)
            }
            kind => {
                let error = kind.error().ok_or(Closed)?;
                let mut response = json(error.status, &error.body());
                if let FailureKind::RateLimited {
                    retry_after_seconds: Some(seconds),
                } = kind
                {
                    mark(response.headers_mut(), "Retry-After", &seconds.to_string());
                }
                Ok(response)
            }
        }
    }

    /// The answer, or what a failure after the effect leaves of it.
    async fn reply(
        &mut self,
        answer: Answer,
        lossy: Option<&FailureKind>,
    ) -> Result<Response, Closed> {
        match lossy {
            Some(FailureKind::Hang(_)) => {
                connection::stopped(&mut self.stop).await;
                return Err(Closed);
            }
            Some(FailureKind::Close(_)) => return Err(Closed),
            Some(FailureKind::TruncatedJson) => {
                let whole = format!("{:#}", answer.body);
                let half = whole
                    .chars()
                    .take(whole.chars().count() / 2)
                    .collect::<String>();
                return Ok(text(200, "application/json", half));
            }
            _ => {}
        }
        let mut response = json(answer.status, &answer.body);
        if answer.replayed {
            mark(response.headers_mut(), "Idempotent-Replayed", "true");
        }
        Ok(response)
    }
}

/// Carries a request out, after the time it takes.
async fn carry_out(account: Arc<Mutex<Account>>, arrival: Arrival) -> Answer {
    let call = match arrival.call {
        Ok(call) => call,
        Err(error) => return error.into(),
    };
    let begun = arrival
        .key
        .as_deref()
        .map(|key| lock(&account).replays.begin(key, &call));
    match begun {
        Some(Err(error)) => return error.into(),
        Some(Ok(Some((status, body)))) => {
            return Answer {
                status,
                body,
                replayed: true,
            };
        }
        Some(Ok(None)) | None => {}
    }
    if !arrival.wait.is_zero() {
        tokio::time::sleep(arrival.wait).await;
    }
    let cause = Cause {
        request_id: Some(arrival.request_id),
        idempotency_key: arrival.key,
    };
    // What is answered, and kept, in place of the true answer.
    let spoiled = arrival.failure.and_then(|failure| failure.kind.error());
    lock(&account).perform(&call, cause, spoiled)
}

impl Account {
    /// Notes a request and decides what is to become of it.
    fn arrive(&mut self, parts: &Parts, body: &[u8]) -> Arrival {
        let number = self.log.note(parts, body);
        let admitted = self.rate_limit.admit(Instant::now());
        Arrival {
            number,
            request_id: self.world.ids.make("req_"),
            call: admitted.and_then(|()| self.call(parts, body)),
            key: header_text(&parts.headers, "Idempotency-Key")
                .filter(|_| parts.method == Method::POST)
                .map(str::to_owned),
            failure: self
                .failures
                .strike(parts.method.as_str(), parts.uri.path()),
            wait: self.latency.draw(),
        }
    }

    fn call(&self, parts: &Parts, body: &[u8]) -> Result<Call, ApiError> {
        let mut params = Params::parse(parts.uri.query().unwrap_or_default().as_bytes());
        params.extend(Params::parse(body));
        let livemode = self.world.rules.livemode;
        let kind = key::authenticate(&parts.headers, params.text("key"), livemode)?;
        params.forget("key");
        if header_text(&parts.headers, "Idempotency-Key").is_some_and(|key| key.len() > MAX_KEY) {
            return Err(ApiError::refused(
                "An idempotency key has at most 255 characters.",
            ));
        }
        let version = header_text(&parts.headers, "Stripe-Version").map(ApiVersion::from_request);
        let version = version
            .transpose()?
            .unwrap_or_else(|| self.world.rules.api_version.clone());
        let call = Call {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            params,
            shape: version.shape(),
        };
        key::authorize(kind, &call)?;
        Ok(call)
    }

    fn perform(&mut self, call: &Call, cause: Cause, spoiled: Option<ApiError>) -> Answer {
        let key = cause.idempotency_key.clone();
        self.world.catch_up();
        self.world.cause = cause;
        let answer = routes::answer(&mut self.world, call);
        self.world.cause = Cause::default();
        let (status, mut body) = match (spoiled, answer) {
            (Some(error), _) | (None, Err(error)) => (error.status, error.body()),
            (None, Ok(body)) => (200, body),
        };
        if self.world.rules.livemode {
            show_livemode(&mut body);
        }
        if let Some(key) = key {
            self.replays.end(&key, call, status, &body);
        }
        Answer {
            status,
            body,
            replayed: false,
        }
    }
}

fn json(status: u16, body: &Value) -> Response {
    text(status, "application/json", format!("{body:#}\n"))
}

fn text(status: u16, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Sets a header, if the value can be one.
fn mark(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

pub(super) fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
