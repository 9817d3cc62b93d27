//! Webhook endpoints: who is told of which events, in which shape.

use serde_json::{Value, json};

use super::call::Call;
use super::delivery::{Destination, Lane, Parcel};
use super::error::ApiError;
use super::event::{EventRecord, matches};
use super::form::{Metadata, Params};
use super::object::Object;
use super::shape::{ApiVersion, Shape};
use super::shelf::Shelf;
use super::world::World;

/// A receiver of webhooks, as an embedding program adds it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where events are posted: plain `http://`, since the simulator brings no TLS.
    pub url: String,
    /// What they are signed with, `whsec_` included.
    pub secret: String,
    /// Chooses the shape of the objects in the events.
    pub api_version: ApiVersion,
    /// Event types; `*` and `invoice.*` work as wildcards.
    pub enabled_events: Vec<String>,
}

impl Endpoint {
    /// An endpoint for all events in the default API version.
    pub fn new(url: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            secret: secret.into(),
            api_version: ApiVersion::default(),
            enabled_events: vec!["*".to_owned()],
        }
    }

    /// The same endpoint in another API version.
    #[must_use]
    pub fn with_api_version(mut self, version: ApiVersion) -> Self {
        self.api_version = version;
        self
    }
}

/// A receiver of webhooks, as it is kept.
#[derive(Clone, Debug)]
pub(super) struct WebhookEndpoint {
    id: String,
    created: i64,
    endpoint: Endpoint,
    /// Whether the version was asked for; else the API shows null, as Stripe does.
    own_version: bool,
    description: Option<String>,
    metadata: Metadata,
    lane: Lane,
    disabled: bool,
}

impl WebhookEndpoint {
    pub(super) fn wants(&self, event_type: &str) -> bool {
        !self.disabled
            && self
                .endpoint
                .enabled_events
                .iter()
                .any(|pattern| matches(pattern, event_type))
    }

    pub(super) fn send(&self, event: &EventRecord) {
        let rendered = event.render(&self.endpoint.api_version, event.endpoints);
        self.lane.send(Parcel {
            event_id: event.id.clone(),
            event_type: event.event_type.clone(),
            event_created: event.created,
            object_id: event.object_id.clone(),
            customer_id: event.customer.clone(),
            body: format!("{rendered:#}"),
        });
    }
}

impl Object for WebhookEndpoint {
    const NOUN: &'static str = "webhook endpoint";

    fn id(&self) -> &str {
        &self.id
    }

    fn clock(&self) -> Option<&str> {
        None
    }

    fn customer(&self) -> Option<&str> {
        None
    }

    fn shelf(world: &mut World) -> &mut Shelf<Self> {
        &mut world.endpoints
    }

    fn render(&self, _: Shape) -> Value {
        let version = self.own_version.then(|| self.endpoint.api_version.as_str());
        json!({
            "id": self.id,
            "object": "webhook_endpoint",
            "api_version": version,
            "application": null,
            "created": self.created,
            "description": self.description,
            "enabled_events": self.endpoint.enabled_events,
            "livemode": false,
            "metadata": self.metadata,
            "status": if self.disabled { "disabled" } else { "enabled" },
            "url": self.endpoint.url,
        })
    }
}

impl World {
    /// Adds a receiver; it is told of what happens from now on.
    pub(super) fn add_endpoint(&mut self, endpoint: Endpoint) -> WebhookEndpoint {
        let lane = self.desk.open_lane(Destination {
            url: endpoint.url.clone(),
            secret: endpoint.secret.clone(),
        });
        let added = WebhookEndpoint {
            id: self.ids.make("we_"),
            created: self.now(None),
            endpoint,
            own_version: true,
            description: None,
            metadata: Metadata::new(),
            lane,
            disabled: false,
        };
        self.endpoints.put(added.clone());
        added
    }
}

/// `POST /v1/webhook_endpoints`; the only response that shows the secret.
pub(super) fn create(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    params.required("url")?;
    let url = plain_url(params)?.unwrap_or_default();
    let enabled_events = params.texts("enabled_events");
    if enabled_events.is_empty() {
        return Err(ApiError::parameter_missing("enabled_events"));
    }
    let own_version = params
        .text("api_version")
        .map(ApiVersion::from_request)
        .transpose()?;
    let secret = world.ids.make("whsec_");
    let mut added = world.add_endpoint(Endpoint {
        url,
        secret: secret.clone(),
        api_version: own_version
            .clone()
            .unwrap_or_else(|| world.rules.api_version.clone()),
        enabled_events,
    });
    added.own_version = own_version.is_some();
    params.merge_text("description", &mut added.description);
    params.merge_metadata(&mut added.metadata);
    world.endpoints.put(added.clone());
    let mut rendered = added.render(call.shape);
    rendered["secret"] = secret.into();
    Ok(rendered)
}

fn plain_url(params: &Params) -> Result<Option<String>, ApiError> {
    let url = params.text("url").map(str::to_owned);
    if url.as_ref().is_some_and(|url| !url.starts_with("http://")) {
        return Err(ApiError::not_simulated("webhook endpoints over https").in_param("url"));
    }
    Ok(url)
}

/// `POST /v1/webhook_endpoints/:id`. What was queued still goes to the address before.
pub(super) fn update(world: &mut World, call: &Call, id: &str) -> Result<Value, ApiError> {
    let params = &call.params;
    let mut updated = world.endpoints.find(id)?.clone();
    if params.has("api_version") {
        return Err(ApiError::parameter_unknown("api_version"));
    }
    let url = plain_url(params)?;
    updated.disabled = params.flag("disabled")?.unwrap_or(updated.disabled);
    if params.has("enabled_events") {
        updated.endpoint.enabled_events = params.texts("enabled_events");
    }
    params.merge_text("description", &mut updated.description);
    params.merge_metadata(&mut updated.metadata);
    if let Some(url) = url.filter(|url| *url != updated.endpoint.url) {
        updated.lane = world.desk.open_lane(Destination {
            url: url.clone(),
            secret: updated.endpoint.secret.clone(),
        });
        updated.endpoint.url = url;
    }
    world.endpoints.put(updated.clone());
    Ok(updated.render(call.shape))
}

/// `DELETE /v1/webhook_endpoints/:id`. What was queued is still delivered.
pub(super) fn delete(world: &mut World, id: &str) -> Result<Value, ApiError> {
    world.endpoints.remove(id)?;
    Ok(json!({ "id": id, "object": "webhook_endpoint", "deleted": true }))
}
