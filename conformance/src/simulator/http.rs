//! The API over HTTP: keys, versions, idempotency, and Stripe's headers on every response.

use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::{Router, http};
use base64::Engine;
use serde_json::Value;

use super::call::{Call, Cause};
use super::delivery::lock;
use super::error::ApiError;
use super::form::Params;
use super::idempotency::Replays;
use super::routes;
use super::shape::ApiVersion;
use super::world::World;

const MAX_BODY_BYTES: usize = 1024 * 1024;

/// What all requests share.
pub(super) struct Account {
    pub(super) world: World,
    pub(super) replays: Replays,
}

pub(super) fn router(account: Arc<Mutex<Account>>) -> Router {
    Router::new().fallback(handle).with_state(account)
}

async fn handle(State(account): State<Arc<Mutex<Account>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return respond(413, &ApiError::refused("The request is too large.").body());
    };
    let mut account = lock(&account);
    let request_id = account.world.ids.make("req_");
    let (answer, replayed) = account.answer(&parts, &body, &request_id);
    let (status, body) = answer.unwrap_or_else(|error| (error.status, error.body()));
    tracing::info!(method = %parts.method, path = parts.uri.path(), status, request_id, "answered");
    let mut response = respond(status, &body);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert("Request-Id", id);
    }
    for name in ["Idempotency-Key", "Stripe-Version"] {
        if let Some(value) = parts.headers.get(name) {
            headers.insert(name, value.clone());
        }
    }
    if replayed {
        headers.insert("Idempotent-Replayed", HeaderValue::from_static("true"));
    }
    response
}

fn respond(status: u16, body: &Value) -> Response {
    let mut response = Response::new(Body::from(format!("{body:#}\n")));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

type Answer = Result<(u16, Value), ApiError>;

impl Account {
    /// The answer, and whether it is one from before.
    fn answer(&mut self, parts: &Parts, body: &[u8], request_id: &str) -> (Answer, bool) {
        let call = match self.call(parts, body) {
            Ok(call) => call,
            Err(error) => return (Err(error), false),
        };
        let key = header_text(&parts.headers, "Idempotency-Key")
            .filter(|_| parts.method == http::Method::POST);
        if let Some(key) = key {
            match self.replays.find(key, &call) {
                Ok(None) => {}
                Ok(Some(kept)) => return (Ok(kept), true),
                Err(error) => return (Err(error), false),
            }
        }
        self.world.catch_up();
        self.world.cause = Cause {
            request_id: Some(request_id.to_owned()),
            idempotency_key: key.map(str::to_owned),
        };
        let answer = routes::answer(&mut self.world, &call);
        self.world.cause = Cause::default();
        let (status, body) = match answer {
            Ok(body) => (200, body),
            Err(error) => (error.status, error.body()),
        };
        if let Some(key) = key {
            self.replays.keep(key, &call, status, &body);
        }
        (Ok((status, body)), false)
    }

    fn call(&self, parts: &Parts, body: &[u8]) -> Result<Call, ApiError> {
        authenticate(&parts.headers)?;
        let version = header_text(&parts.headers, "Stripe-Version").map(ApiVersion::from_request);
        let version = version
            .transpose()?
            .unwrap_or_else(|| self.world.rules.api_version.clone());
        let mut params = Params::parse(parts.uri.query().unwrap_or_default().as_bytes());
        params.extend(Params::parse(body));
        Ok(Call {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            params,
            shape: version.shape(),
        })
    }
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Any test key will do: `Bearer sk_test_…`, or basic auth with the key as the user's name.
fn authenticate(headers: &HeaderMap) -> Result<(), ApiError> {
    let authorization = header_text(headers, "Authorization").unwrap_or_default();
    let key = match authorization.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim().to_owned(),
        Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => {
            basic_user(pair.trim()).unwrap_or_default()
        }
        _ => String::new(),
    };
    if key.is_empty() {
        let message = "You did not provide an API key: send it in the Authorization header, as in 'Bearer sk_test_…'.";
        return Err(ApiError::unauthenticated(message));
    }
    if key.starts_with("sk_test_") || key.starts_with("rk_test_") {
        return Ok(());
    }
    Err(ApiError::unauthenticated(
        "Invalid API key provided: the simulator takes test keys only (sk_test_…).",
    ))
}

fn basic_user(pair: &str) -> Option<String> {
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(pair)
        .ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split(':').next().map(str::to_owned)
}
