//! API keys: which are taken, and what they open.

use axum::http::HeaderMap;
use base64::Engine;

use super::header_text;
use crate::simulator::call::Call;
use crate::simulator::error::ApiError;

/// What an API key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// `sk_…`, and `rk_…`, whose restrictions are not simulated.
    Secret,
    /// `pk_…`: what a browser may do.
    Publishable,
}

/// The key of a request: `Bearer sk_test_…`, basic auth with the key as the user's name, or, as Stripe's
/// JavaScript sends it, `key=pk_test_…` in the form. Any key of the account's mode will do.
pub(super) fn authenticate(
    headers: &HeaderMap,
    form_key: Option<&str>,
    livemode: bool,
) -> Result<KeyKind, ApiError> {
    let authorization = header_text(headers, "Authorization").unwrap_or_default();
    let key = match authorization.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim().to_owned(),
        Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => {
            basic_user(pair.trim()).unwrap_or_default()
        }
        _ => form_key.unwrap_or_default().to_owned(),
    };
    if key.is_empty() {
        let message = "You did not provide an API key: send it in the Authorization header, as in 'Bearer sk_test_…'.";
        return Err(ApiError::unauthenticated(message));
    }
    let mode = if livemode { "live" } else { "test" };
    let begins = |kind: &str| key.starts_with(&format!("{kind}_{mode}_"));
    if begins("sk") || begins("rk") {
        return Ok(KeyKind::Secret);
    }
    if begins("pk") {
        return Ok(KeyKind::Publishable);
    }
    let message =
        format!("Invalid API key provided: the simulator takes {mode} keys only (sk_{mode}_…).");
    Err(ApiError::unauthenticated(&message))
}

/// A publishable key confirms and reads the payment whose client secret it has, and makes payment methods.
pub(super) fn authorize(kind: KeyKind, call: &Call) -> Result<(), ApiError> {
    if kind == KeyKind::Secret {
        return Ok(());
    }
    let segments: Vec<&str> = call.path.trim_matches('/').split('/').collect();
    match (call.method.as_str(), segments.as_slice()) {
        ("POST", ["v1", "payment_methods"]) => Ok(()),
        ("POST", ["v1", "payment_intents", _, "confirm"])
        | ("GET", ["v1", "payment_intents", _]) => call.params.required("client_secret").map(drop),
        _ => Err(ApiError::secret_key_required()),
    }
}

fn basic_user(pair: &str) -> Option<String> {
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(pair)
        .ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split(':').next().map(str::to_owned)
}
