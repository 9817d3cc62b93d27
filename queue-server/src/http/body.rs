//! Bodies of the money path: JSON objects with the documented fields and no others, and no query beside them.
//!
//! What a client may not choose — a price, an amount, a customer, a trial — is refused wherever it stands,
//! before anything else is looked at (B3).

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use super::problem::Problem;

const MAX_BYTES: usize = 16 * 1024;

/// Exactly this.
pub(crate) struct Exactly<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Exactly<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if request.uri().query().is_some() {
            return Err(Problem::QueryUnexpected);
        }
        let body = to_bytes(request.into_body(), MAX_BYTES).await;
        let body = body.map_err(|_| Problem::BodyTooLarge)?;
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|_| Problem::BodyInvalid)
    }
}
