//! `Idempotency-Key`: the same POST sent twice is done once.
//!
//! What is kept is the outcome of a request that began to run: successes and declined cards. A request that
//! was refused for its parameters may be sent again, corrected, under the same key. Stripe forgets keys after
//! a day; here they last as long as the simulator.

use std::collections::HashMap;

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
pub(super) struct Replays(HashMap<String, Kept>);

impl Replays {
    /// The response to an earlier request with this key; an error when that request was another.
    pub(super) fn find(&self, key: &str, call: &Call) -> Result<Option<(u16, Value)>, ApiError> {
        let Some(kept) = self.0.get(key) else {
            return Ok(None);
        };
        if kept.method != call.method || kept.path != call.path || kept.params != call.params {
            return Err(ApiError::idempotency_mismatch(key));
        }
        Ok(Some((kept.status, kept.body.clone())))
    }

    pub(super) fn keep(&mut self, key: &str, call: &Call, status: u16, body: &Value) {
        if !matches!(status, 200 | 402) {
            return;
        }
        let kept = Kept {
            method: call.method.clone(),
            path: call.path.clone(),
            params: call.params.clone(),
            status,
            body: body.clone(),
        };
        self.0.insert(key.to_owned(), kept);
    }
}
