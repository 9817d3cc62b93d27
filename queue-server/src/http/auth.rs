//! Who may call: the seller's own services, by bearer token.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ring::digest;
use subtle::{Choice, ConstantTimeEq};

use super::problem::Problem;
use crate::app::App;

const MIN_TOKEN_LENGTH: usize = 16;
pub(super) const MAX_TOKEN_LENGTH: usize = 4096;

/// Tokens of internal callers, kept as digests: comparing those takes the same time whatever a
/// caller sent, also whatever its length.
#[derive(Clone)]
pub struct InternalTokens(Vec<digest::Digest>);

impl fmt::Debug for InternalTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "InternalTokens({})", self.0.len())
    }
}

impl InternalTokens {
    /// Takes one token, or several with commas between while they rotate. `None` when any of them
    /// is shorter than 16 characters, longer than 4096, or could not stand in a header.
    #[must_use]
    pub fn parse(tokens: &str) -> Option<Self> {
        let digest_of = |token: &str| {
            let token = token.trim();
            let usable = (MIN_TOKEN_LENGTH..=MAX_TOKEN_LENGTH).contains(&token.len())
                && token.bytes().all(|byte| byte.is_ascii_graphic());
            usable.then(|| digest::digest(&digest::SHA256, token.as_bytes()))
        };
        tokens
            .split(',')
            .map(digest_of)
            .collect::<Option<_>>()
            .map(Self)
    }

    pub(super) fn accept(&self, token: &[u8]) -> bool {
        if token.len() > MAX_TOKEN_LENGTH {
            return false;
        }
        let given = digest::digest(&digest::SHA256, token);
        let matched = self.0.iter().fold(Choice::from(0), |matched, known| {
            matched | known.as_ref().ct_eq(given.as_ref())
        });
        matched.into()
    }
}

/// Lets a request through that names a valid token.
pub(crate) async fn require_internal(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let token = bearer_of(request.headers());
    if token.is_some_and(|token| app.internal_tokens.accept(token)) {
        next.run(request).await
    } else {
        Problem::Unauthenticated.into_response()
    }
}

/// The bearer token of a request that has exactly one.
pub(super) fn bearer_of(headers: &HeaderMap) -> Option<&[u8]> {
    let mut headers = headers.get_all(AUTHORIZATION).iter();
    match (headers.next(), headers.next()) {
        (Some(header), None) => bearer(header.as_bytes()),
        _ => None,
    }
}

fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// Such a head never gets here from the network; whoever calls the router in its own process may send it.
    #[test]
    fn a_token_of_a_megabyte_is_none() {
        let known = "t".repeat(MAX_TOKEN_LENGTH);
        let tokens = InternalTokens::parse(&known).unwrap();
        assert!(InternalTokens::parse(&format!("{known}t")).is_none());
        for (token, accepted) in [(known, true), ("t".repeat(1 << 20), false)] {
            let header = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            let headers = HeaderMap::from_iter([(AUTHORIZATION, header)]);
            assert_eq!(tokens.accept(bearer_of(&headers).unwrap()), accepted);
        }
    }
}
