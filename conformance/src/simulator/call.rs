//! One request to the API, taken apart.

use super::form::Params;
use super::shape::Shape;

/// What a handler needs to know of a request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// `GET`, `POST` or `DELETE`.
    pub(super) method: String,
    pub(super) path: String,
    /// Query and body together, as Stripe treats them.
    pub(super) params: Params,
    /// From `Stripe-Version`, else the account's default.
    pub(super) shape: Shape,
}

/// Which request caused an event; none for what the clock did.
#[derive(Clone, Debug, Default)]
pub(super) struct Cause {
    pub(super) request_id: Option<String>,
    pub(super) idempotency_key: Option<String>,
}
