//! `Idempotency-Key`: the same POST sent twice is done once.
//!
//! 1. While a request is in flight, another with its key is refused (409).
//! 2. What is kept is the outcome of a request that began to run: successes, declined cards, and server errors
//!    that came after the effect. A request that was refused for its parameters may be sent again, corrected,
//!    under the same key, and so may one that failed before it had an effect.
//! 3. A key is bound to the parameters of the request whose outcome is kept.
//!
//! Stripe forgets keys after a day; here they last as long as the simulator.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::call::Call;
use super::error::ApiError;
use super::form::Params;

#[derive(Debug)]
struct Kept {
    method: String,
    path: String,
    params: Params,
    status: u16,
    body: Value,
}

#[derive(Debug, Default)]
pub(super) struct Replays {
    kept: HashMap<String, Kept>,
    in_flight: HashSet<String>,
}

impl Replays {
    /// Begins a request with this key. The response to an earlier one when there is one; an error when that was
    /// another request, or is not answered yet.
    pub(super) fn begin(
        &mut self,
        key: &str,
        call: &Call,
    ) -> Result<Option<(u16, Value)>, ApiError> {
        if self.in_flight.contains(key) {
            return Err(ApiError::idempotency_key_in_use());
        }
        let Some(kept) = self.kept.get(key) else {
            self.in_flight.insert(key.to_owned());
            return Ok(None);
        };
        if kept.method != call.method || kept.path != call.path || kept.params != call.params {
            return Err(ApiError::idempotency_mismatch(key));
        }
        Ok(Some((kept.status, kept.body.clone())))
    }

    /// The request that began with this key has an outcome.
    pub(super) fn end(&mut self, key: &str, call: &Call, status: u16, body: &Value) {
        self.in_flight.remove(key);
        if !matches!(status, 200 | 402 | 500..) {
            return;
        }
        let kept = Kept {
            method: call.method.clone(),
            path: call.path.clone(),
            params: call.params.clone(),
            status,
            body: body.clone(),
        };
        self.kept.insert(key.to_owned(), kept);
    }
}
