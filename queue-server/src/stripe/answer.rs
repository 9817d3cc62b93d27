//! What Stripe answered, and since when it is known to be true.

use std::time::Duration;

use billing_core::event::{DecodeError, Snapshot};
use billing_core::time::StripeTime;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap};
use serde::Deserialize;
use serde_json::Value;

use crate::clock;

/// An object, with the answer that it was read from.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// The object.
    pub object: T,
    body: Vec<u8>,
    /// A second, by Stripe's clock, in which the object was like this, or later. `None`: the answer has no date, or
    /// is an older one, told again.
    true_at: Option<StripeTime>,
    replayed: bool,
    /// When it came, by our clock.
    taken_at: Timestamp,
}

impl<T> Answer<T> {
    pub(super) fn new(object: T, body: Vec<u8>, headers: &HeaderMap, took: Duration) -> Self {
        let replayed = is_replayed(headers);
        Self {
            object,
            body,
            true_at: true_at(headers, took).filter(|_| !replayed),
            replayed,
            taken_at: clock::now(),
        }
    }

    /// Whether this was answered before, under the same key: then it tells what was then.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        self.replayed
    }

    /// A second, by Stripe's clock, in which the object was like this, or later.
    #[must_use]
    pub fn true_at(&self) -> Option<StripeTime> {
        self.true_at
    }

    /// The answer as it came.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The object as the ledger takes it.
    ///
    /// # Errors
    /// [`DecodeError`] when it can't be read as a customer, a subscription or an invoice.
    pub fn snapshot(&self) -> Result<Snapshot, DecodeError> {
        let true_at = self.true_at.ok_or(DecodeError::NotAnEvent)?;
        Snapshot::decode(&self.body, true_at, self.taken_at)
    }

    /// The latest invoice of a subscription, where it came along, as the ledger takes it. `owed`: whether the
    /// subscription is past due or unpaid.
    #[must_use]
    pub fn latest_invoice(&self, owed: bool) -> Option<Snapshot> {
        let answer: Value = serde_json::from_slice(&self.body).ok()?;
        let invoice = answer.get("latest_invoice").filter(|it| it.is_object())?;
        let (invoice, true_at) = (invoice.to_string(), self.true_at?);
        let decode = if owed {
            Snapshot::decode_owed
        } else {
            Snapshot::decode
        };
        decode(invoice.as_bytes(), true_at, self.taken_at).ok()
    }
}

pub(super) fn is_replayed(headers: &HeaderMap) -> bool {
    let replayed = headers.get("Idempotent-Replayed");
    replayed.is_some_and(|value| value == "true")
}

/// The answer's date, less the time that the call took, less a second: Stripe read the object at some moment of
/// the call, and a date has no fractions (O4).
fn true_at(headers: &HeaderMap, took: Duration) -> Option<StripeTime> {
    let date = rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok()?;
    let took = i64::try_from(took.as_secs()).ok()? + i64::from(took.subsec_nanos() > 0);
    StripeTime::from_seconds(date.timestamp().as_second() - took - 1)
}

/// A page of a list.
#[derive(Debug, Clone, Deserialize)]
pub struct List<T> {
    /// The objects of this page.
    pub data: Vec<T>,
    /// Whether there are more behind them.
    #[serde(default)]
    pub has_more: bool,
}

/// An id, or the object that it names where Stripe expands it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Reference<I, T> {
    /// The object.
    Expanded(Box<T>),
    /// The id.
    Id(I),
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn an_answer_is_true_from_before_the_call_on() {
        let mut headers = HeaderMap::new();
        let took = Duration::from_millis(1200);
        assert_eq!(true_at(&headers, took), None);
        let date = HeaderValue::from_static("Thu, 01 Jan 1970 00:01:40 GMT");
        headers.insert(DATE, date);
        assert_eq!(true_at(&headers, took).map(StripeTime::seconds), Some(97));
        headers.insert(DATE, HeaderValue::from_static("soon"));
        assert_eq!(true_at(&headers, took), None);
    }
}
