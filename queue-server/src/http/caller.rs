//! For which customer a request acts: its own services name one, or a customer's browser carries a token.
//!
//! 1. An internal token with `X-Queue-Customer-Id` acts for whom it names.
//! 2. A customer token (a JSON Web Token, HS256) acts for its subject, and is good for five minutes at most.
//! 3. Whatever else a request says about customers, nobody reads.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use billing_core::id::CustomerId;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;

use super::auth::{MAX_TOKEN_LENGTH, bearer_of};
use super::problem::Problem;
use crate::app::App;
use crate::clock;

/// Whom the tokens are for.
const AUDIENCE: &str = "queue";
/// The longest that a token may still be good for.
const MAX_LIFETIME_SECONDS: i64 = 300;
/// How far the clocks of two hosts may be apart.
const CLOCKS_APART_SECONDS: i64 = 5;
/// As many bytes as HS256's digest has (RFC 7518, section 3.2).
const MIN_SECRET_BYTES: usize = 32;
const CUSTOMER_HEADER: &str = "x-queue-customer-id";

/// The keys of customer tokens.
#[derive(Clone, Default)]
pub struct CustomerTokens(Vec<DecodingKey>);

impl fmt::Debug for CustomerTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CustomerTokens({})", self.0.len())
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    nbf: Option<i64>,
}

impl CustomerTokens {
    /// Takes one secret, or several with commas between while they rotate. `None` when any of them is shorter than
    /// 32 characters.
    #[must_use]
    pub fn parse(secrets: &str) -> Option<Self> {
        let key = |secret: &str| {
            let secret = secret.trim().as_bytes();
            (secret.len() >= MIN_SECRET_BYTES).then(|| DecodingKey::from_secret(secret))
        };
        secrets.split(',').map(key).collect::<Option<_>>().map(Self)
    }

    /// The customer whom a token is for.
    fn customer(&self, token: &str, now: Timestamp) -> Option<CustomerId> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        // By our own clock, below.
        validation.validate_exp = false;
        let claims = self
            .0
            .iter()
            .find_map(|key| decode::<Claims>(token, key, &validation).ok())?
            .claims;
        let left = claims.exp.checked_sub(now.as_second())?;
        let begun = |nbf: i64| nbf.saturating_sub(CLOCKS_APART_SECONDS) <= now.as_second();
        if !claims.nbf.is_none_or(begun) || asks_for_more(token) {
            return None;
        }
        let good =
            -CLOCKS_APART_SECONDS < left && left <= MAX_LIFETIME_SECONDS + CLOCKS_APART_SECONDS;
        CustomerId::chosen(claims.sub).ok().filter(|_| good)
    }
}

/// Whether a token's header says that there is more to understand of it (`crit`, RFC 7515): nothing more is.
fn asks_for_more(token: &str) -> bool {
    let header = token.split('.').next().unwrap_or_default();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header);
    let header: Option<serde_json::Value> = header
        .ok()
        .and_then(|header| serde_json::from_slice(&header).ok());
    header.is_none_or(|header| header.get("crit").is_some())
}

/// The customer for whom a request acts.
#[derive(Clone)]
pub(crate) struct Caller(pub(crate) CustomerId);

/// Lets a request through that acts for a customer, and says for whom.
pub(crate) async fn require_customer(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    match caller(&app, request.headers()) {
        Ok(customer) => {
            request.extensions_mut().insert(Caller(customer));
            let mut response = next.run(request).await;
            // One customer's, and no cache's.
            let no_store = HeaderValue::from_static("no-store");
            response.headers_mut().insert(CACHE_CONTROL, no_store);
            response
        }
        Err(problem) => problem.into_response(),
    }
}

fn caller(app: &App, headers: &HeaderMap) -> Result<CustomerId, Problem> {
    let token = bearer_of(headers).ok_or(Problem::Unauthenticated)?;
    if app.internal_tokens.accept(token) {
        return named(headers)?.ok_or(Problem::CustomerIdInvalid);
    }
    let customer = std::str::from_utf8(token)
        .ok()
        .filter(|token| token.len() <= MAX_TOKEN_LENGTH)
        .and_then(|token| app.customer_tokens.customer(token, clock::now()))
        .ok_or(Problem::Unauthenticated)?;
    match named(headers) {
        Ok(named) if named.as_ref().is_none_or(|named| *named == customer) => Ok(customer),
        // Whoever says two things is believed in none.
        _ => Err(Problem::Unauthenticated),
    }
}

/// The customer whom a header names.
fn named(headers: &HeaderMap) -> Result<Option<CustomerId>, Problem> {
    let mut named = headers.get_all(CUSTOMER_HEADER).iter();
    match (named.next(), named.next()) {
        (None, _) => Ok(None),
        (Some(id), None) => {
            let id = id.to_str().map_err(|_| Problem::CustomerIdInvalid)?;
            let id = CustomerId::chosen(id).map_err(|_| Problem::CustomerIdInvalid)?;
            Ok(Some(id))
        }
        (Some(_), Some(_)) => Err(Problem::CustomerIdInvalid),
    }
}
