//! Customer tokens: how a back end tells Queue for which of its customers it asks.

use billing_core::id::CustomerId;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::Serialize;

/// Whom the tokens are for.
const AUDIENCE: &str = "queue";
/// The longest that one is good for: Queue takes none that is good for longer.
const MAX_LIFETIME_SECONDS: u32 = 300;
/// As many bytes as HS256's digest has (RFC 7518, section 3.2).
const MIN_SECRET_BYTES: usize = 32;

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    aud: &'static str,
    iat: i64,
    exp: i64,
}

/// A token with which its bearer acts for one customer, for some minutes: a JWT, HS256.
#[pyfunction]
#[pyo3(signature = (customer_id, secret, *, lifetime_seconds=300))]
pub(crate) fn mint_customer_token(
    customer_id: &str,
    secret: &str,
    lifetime_seconds: u32,
) -> PyResult<String> {
    let customer = CustomerId::chosen(customer_id).map_err(|error| refused(&error.to_string()))?;
    // As Queue reads its own: without the line break that a file or a shell may have added.
    let secret = secret.trim();
    if secret.len() < MIN_SECRET_BYTES {
        return Err(refused(
            "the secret needs at least 32 characters: openssl rand -hex 32",
        ));
    }
    if !(1..=MAX_LIFETIME_SECONDS).contains(&lifetime_seconds) {
        return Err(refused("a token lives for 1 to 300 seconds"));
    }
    let now = Timestamp::now().as_second();
    let claims = Claims {
        sub: customer.as_str(),
        aud: AUDIENCE,
        iat: now,
        exp: now + i64::from(lifetime_seconds),
    };
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|_| refused("the token can't be signed"))
}

fn refused(why: &str) -> PyErr {
    PyValueError::new_err(why.to_owned())
}
