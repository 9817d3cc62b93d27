//! Events, as Stripe keeps them for thirty days.

use billing_core::event::{DecodeError, Event};
use billing_core::id::EventId;
use serde::Deserialize;
use serde_json::Value;

use super::call::Call;
use super::{Answer, List, Stripe, StripeError};

/// An event, as far as it is looked at here.
#[derive(Debug, Clone, Deserialize)]
pub struct StripeEvent {
    /// `id`.
    pub id: EventId,
    /// `type`.
    pub r#type: String,
    /// `created`, in seconds since 1970.
    pub created: i64,
}

impl Stripe {
    /// Reads an event.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn event(&self, id: &EventId) -> Result<Answer<StripeEvent>, StripeError> {
        self.send(Call::get("events.retrieve", &["events", id.as_str()]))
            .await
    }

    /// A page of the events of these types (twenty at most; none: of all), the newest first, that come after one.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn events(
        &self,
        types: &[&str],
        after: Option<&EventId>,
    ) -> Result<Answer<List<Value>>, StripeError> {
        let mut call = Call::get("events.list", &["events"])
            .with("limit", 100)
            .with_some("starting_after", after);
        for name in types {
            call = call.with("types[]", name);
        }
        self.send(call).await
    }
}

impl Answer<StripeEvent> {
    /// The event as the ledger takes it.
    ///
    /// # Errors
    /// [`DecodeError`] when it can't be read as one.
    pub fn event(&self) -> Result<Event, DecodeError> {
        Event::decode_unverified(self.body())
    }
}
