//! What Stripe answered, and since when it is known to be true.

use std::time::Duration;

use billing_core::event::{DecodeError, Look, Snapshot};
use billing_core::id::SubscriptionId;
use billing_core::time::StripeTime;
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap};
use serde::Deserialize;
use serde_json::Value;

use super::StripeError;
use crate::clock;

/// An object, with the answer that it was read from.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// The object.
    pub object: T,
    body: Vec<u8>,
    /// `None`: the answer has no date, or is an older one, told again.
    look: Option<Look>,
    replayed: bool,
}

impl<T> Answer<T> {
    pub(super) fn new(object: T, body: Vec<u8>, headers: &HeaderMap, took: Duration) -> Self {
        let replayed = is_replayed(headers);
        Self {
            object,
            body,
            look: look(headers, took).filter(|_| !replayed),
            replayed,
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
        Some(self.look?.true_at)
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
        Snapshot::decode(&self.body, self.look.ok_or(DecodeError::NotAnEvent)?)
    }

    /// The same of an invoice. `owed`: whether its subscription is past due or unpaid.
    ///
    /// # Errors
    /// As [`Answer::snapshot`].
    pub fn invoice_snapshot(&self, owed: bool) -> Result<Snapshot, DecodeError> {
        let decode = if owed {
            Snapshot::decode_owed
        } else {
            Snapshot::decode
        };
        decode(&self.body, self.look.ok_or(DecodeError::NotAnEvent)?)
    }

    /// The latest invoice of a subscription, where it came along, as the ledger takes it. `owed`: whether the
    /// subscription is past due or unpaid.
    #[must_use]
    pub fn latest_invoice(&self, owed: bool) -> Option<Snapshot> {
        let answer: Value = serde_json::from_slice(&self.body).ok()?;
        part(&answer, "latest_invoice", owed, self.look?)
    }
}

impl Answer<List<Value>> {
    /// What a page of subscriptions shows: of each its customer and its latest invoice, where they came along, and
    /// itself. Nothing of one that lives on a test clock, and no entry for one that can't be read.
    ///
    /// # Errors
    /// [`StripeError::Unreadable`] when the answer has no date.
    pub(crate) fn subscriptions(
        &self,
    ) -> Result<Vec<(SubscriptionId, Vec<Snapshot>)>, StripeError> {
        let look = self.look.ok_or(StripeError::Unreadable)?;
        let read = |object: &Value| {
            let text = |name: &str| object.get(name).and_then(Value::as_str);
            let id = SubscriptionId::parse(text("id")?).ok()?;
            if text("test_clock").is_some() {
                return Some((id, Vec::new()));
            }
            let owed = matches!(text("status"), Some("past_due" | "unpaid"));
            let itself = Snapshot::decode(object.to_string().as_bytes(), look).ok()?;
            let parts = ["customer", "latest_invoice"];
            let parts = parts
                .into_iter()
                .filter_map(|name| part(object, name, owed, look));
            Some((id, parts.chain([itself]).collect()))
        };
        Ok(self.object.data.iter().filter_map(read).collect())
    }
}

/// An object within another one, where it came along.
fn part(object: &Value, name: &str, owed: bool, look: Look) -> Option<Snapshot> {
    let part = object.get(name).filter(|part| part.is_object())?;
    let decode = if owed {
        Snapshot::decode_owed
    } else {
        Snapshot::decode
    };
    decode(part.to_string().as_bytes(), look).ok()
}

pub(super) fn is_replayed(headers: &HeaderMap) -> bool {
    let replayed = headers.get("Idempotent-Replayed");
    replayed.is_some_and(|value| value == "true")
}

/// The answer's date, less the time that the call took, less a second: Stripe read the object at some moment of
/// the call, and a date has no fractions (O4).
fn look(headers: &HeaderMap, took: Duration) -> Option<Look> {
    let date = rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok()?;
    let date = date.timestamp().as_second();
    let took = i64::try_from(took.as_secs()).ok()? + i64::from(took.subsec_nanos() > 0);
    Some(Look {
        true_at: StripeTime::from_seconds(date - took - 1)?,
        until: StripeTime::from_seconds(date)?,
        taken_at: clock::now(),
    })
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
    use serde_json::json;

    use super::*;

    #[test]
    fn one_odd_subscription_holds_up_no_other_of_its_page() {
        let subscription = |id: &str, items: Value| {
            json!({"id": id, "object": "subscription", "customer": {"id": "cus_1", "object": "customer"},
                   "status": "active", "items": items, "latest_invoice": {"id": "in_1", "object": "odd"}})
        };
        let items =
            json!({"data": [{"price": {"id": "price_1"}, "current_period_end": 9, "quantity": 1}]});
        let page = json!({"has_more": false, "data": [subscription("sub_1", json!("odd")),
                          subscription("sub_2", items), "odd"]});
        let mut headers = HeaderMap::new();
        let date = HeaderValue::from_static("Thu, 01 Jan 1970 00:01:40 GMT");
        headers.insert(DATE, date);
        let object: List<Value> = serde_json::from_value(page).unwrap();
        let answer = Answer::new(object, Vec::new(), &headers, Duration::ZERO);
        let [(id, snapshots)] = &answer.subscriptions().unwrap()[..] else {
            panic!("one of them can be read");
        };
        let shown: Vec<_> = snapshots.iter().map(Snapshot::object_id).collect();
        assert_eq!(
            (id.as_str(), &shown[..]),
            ("sub_2", &["cus_1", "sub_2"][..])
        );
    }

    #[test]
    fn an_answer_is_true_from_before_the_call_on() {
        let mut headers = HeaderMap::new();
        let took = Duration::from_millis(1200);
        let seconds = |headers: &HeaderMap| {
            look(headers, took).map(|look| (look.true_at.seconds(), look.until.seconds()))
        };
        assert_eq!(seconds(&headers), None);
        let date = HeaderValue::from_static("Thu, 01 Jan 1970 00:01:40 GMT");
        headers.insert(DATE, date);
        assert_eq!(seconds(&headers), Some((97, 100)));
        headers.insert(DATE, HeaderValue::from_static("soon"));
        assert_eq!(seconds(&headers), None);
    }
}
