//! The events that the simulator makes, as it keeps them and as the API shows them.

use serde_json::{Map, Value, json};

use super::call::{Call, Cause};
use super::created::CreatedFilter;
use super::error::ApiError;
use super::object::Object;
use super::shape::{ApiVersion, Both};
use super::shelf::page;
use super::world::World;

/// An event as the embedding program sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    /// For example `customer.subscription.updated`.
    pub event_type: String,
    /// Unix seconds on the object's clock.
    pub created: i64,
    /// The id of `data.object`.
    pub object_id: String,
    /// The customer that the object is about; none for products, prices and clocks.
    pub customer_id: Option<String>,
    /// The whole event in the account's default API version.
    pub body: Value,
}

/// An event as it is kept: rendered in both shapes at the moment it happened.
#[derive(Clone, Debug)]
pub(super) struct EventRecord {
    pub(super) id: String,
    pub(super) event_type: String,
    pub(super) created: i64,
    pub(super) object_id: String,
    pub(super) customer: Option<String>,
    /// How many endpoints it goes to.
    pub(super) endpoints: usize,
    pub(super) object: Both,
    pub(super) previous_attributes: Option<Both>,
    pub(super) cause: Cause,
    pub(super) livemode: bool,
}

impl EventRecord {
    pub(super) fn render(&self, version: &ApiVersion, pending: usize) -> Value {
        let mut data = Map::new();
        data.insert("object".into(), self.object.of(version.shape()).clone());
        if let Some(previous) = &self.previous_attributes {
            data.insert(
                "previous_attributes".into(),
                previous.of(version.shape()).clone(),
            );
        }
        json!({
            "id": self.id,
            "object": "event",
            "api_version": version.as_str(),
            "created": self.created,
            "data": data,
            "livemode": self.livemode,
            "pending_webhooks": pending,
            "request": {
                "id": self.cause.request_id,
                "idempotency_key": self.cause.idempotency_key,
            },
            "type": self.event_type,
        })
    }
}

impl World {
    /// Makes an event about an object as it is now.
    pub(super) fn announce<T: Object>(&mut self, event_type: &str, object: &T) {
        let both = object.render_both();
        self.emit(event_type, object, both, None);
    }

    /// Makes an event about what changed in an object; none when nothing visible did.
    pub(super) fn announce_change<T: Object>(&mut self, event_type: &str, before: &T, after: &T) {
        let (old, new) = (before.render_both(), after.render_both());
        if let Some(previous) = super::difference::previous_attributes(&old, &new) {
            self.emit(event_type, after, new, Some(previous));
        }
    }

    /// Changes the object on its shelf and announces what changed.
    pub(super) fn amend<T: Object>(
        &mut self,
        id: &str,
        event_type: &str,
        change: impl FnOnce(&mut T),
    ) -> Result<T, ApiError> {
        let before = T::shelf(self).find(id)?.clone();
        let mut after = before.clone();
        change(&mut after);
        T::shelf(self).put(after.clone());
        self.announce_change(event_type, &before, &after);
        Ok(after)
    }

    fn emit<T: Object>(
        &mut self,
        event_type: &str,
        subject: &T,
        object: Both,
        previous_attributes: Option<Both>,
    ) {
        let event = EventRecord {
            id: self.ids.make("evt_"),
            event_type: event_type.to_owned(),
            created: self.now(subject.clock()),
            object_id: subject.id().to_owned(),
            customer: subject.customer().map(str::to_owned),
            endpoints: self
                .endpoints
                .iter()
                .filter(|endpoint| endpoint.wants(event_type))
                .count(),
            object: if self.rules.livemode {
                object.live()
            } else {
                object
            },
            previous_attributes,
            cause: self.cause.clone(),
            livemode: self.rules.livemode,
        };
        for endpoint in self
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.wants(event_type))
        {
            endpoint.send(&event);
        }
        self.events.push(event);
    }

    /// How many endpoints have not acknowledged an event yet.
    fn pending(&self, event: &EventRecord) -> usize {
        event
            .endpoints
            .saturating_sub(self.desk.acknowledgements(&event.id))
    }

    pub(super) fn public_events(&self) -> Vec<Event> {
        let public = |event: &EventRecord| Event {
            id: event.id.clone(),
            event_type: event.event_type.clone(),
            created: event.created,
            object_id: event.object_id.clone(),
            customer_id: event.customer.clone(),
            body: event.render(&self.rules.api_version, self.pending(event)),
        };
        self.events.iter().map(public).collect()
    }
}

/// `GET /v1/events`. As with Stripe, events are shown in the account's default version, whatever the request's.
pub(super) fn list(world: &World, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let mut types = params.texts("types");
    types.extend(params.text("type").map(str::to_owned));
    let created = CreatedFilter::parse(params)?;
    let keep = |event: &&EventRecord| {
        (types.is_empty()
            || types
                .iter()
                .any(|wanted| matches(wanted, &event.event_type)))
            && created.takes(event.created)
    };
    let render = |event: &EventRecord| event.render(&world.rules.api_version, world.pending(event));
    page(
        &call.path,
        params,
        world.events.iter().filter(keep),
        |event| &event.id,
        render,
    )
}

/// `GET /v1/events/:id`
pub(super) fn retrieve(world: &World, id: &str) -> Result<Value, ApiError> {
    let found = world.events.iter().find(|event| event.id == id);
    let event = found.ok_or_else(|| ApiError::resource_missing("event", id))?;
    Ok(event.render(&world.rules.api_version, world.pending(event)))
}

/// `*` and `invoice.*` are wildcards.
pub(super) fn matches(pattern: &str, event_type: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(stem) => event_type.starts_with(stem),
        None => pattern == event_type,
    }
}
