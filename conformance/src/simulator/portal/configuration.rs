//! `/v1/billing_portal/configurations`
//!
//! The first configuration becomes the default: at Stripe that is made in the dashboard, which there is none of here.

use serde_json::{Value, json};

use super::Features;
use crate::simulator::call::Call;
use crate::simulator::error::ApiError;
use crate::simulator::form::{Metadata, Params};
use crate::simulator::object::Object;
use crate::simulator::shape::Shape;
use crate::simulator::shelf::Shelf;
use crate::simulator::world::World;

#[derive(Clone, Debug)]
pub(in crate::simulator) struct Configuration {
    id: String,
    created: i64,
    updated: i64,
    active: bool,
    is_default: bool,
    name: Option<String>,
    headline: Option<String>,
    pub(super) default_return_url: Option<String>,
    metadata: Metadata,
    pub(in crate::simulator) features: Features,
}

impl Object for Configuration {
    const NOUN: &'static str = "billing_portal.configuration";

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
        &mut world.configurations
    }

    fn render(&self, _: Shape) -> Value {
        json!({
            "id": self.id,
            "object": "billing_portal.configuration",
            "active": self.active,
            "application": null,
            "business_profile": {
                "headline": self.headline,
                "privacy_policy_url": null,
                "terms_of_service_url": null,
            },
            "created": self.created,
            "default_return_url": self.default_return_url,
            "features": self.features.render(),
            "is_default": self.is_default,
            "livemode": false,
            "login_page": { "enabled": false, "url": null },
            "metadata": self.metadata,
            "name": self.name,
            "updated": self.updated,
        })
    }
}

impl Configuration {
    fn take(&mut self, world: &World, params: &Params) -> Result<(), ApiError> {
        self.active = params.flag("active")?.unwrap_or(self.active);
        if self.is_default && !self.active {
            let message = "The default configuration can't be deactivated.";
            return Err(ApiError::refused(message).in_param("active"));
        }
        params.merge_text("name", &mut self.name);
        params.merge_text("default_return_url", &mut self.default_return_url);
        params
            .group("business_profile")
            .merge_text("headline", &mut self.headline);
        params.merge_metadata(&mut self.metadata);
        self.features.take(world, &params.group("features"))
    }
}

pub(in crate::simulator) fn create(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    if call.params.group("features").is_empty() {
        return Err(ApiError::parameter_missing("features"));
    }
    let now = world.now(None);
    let mut configuration = Configuration {
        id: String::new(),
        created: now,
        updated: now,
        active: true,
        is_default: world.configurations.iter().next().is_none(),
        name: None,
        headline: None,
        default_return_url: None,
        metadata: Metadata::new(),
        features: Features::default(),
    };
    configuration.take(world, &call.params)?;
    configuration.id = world.ids.make("bpc_");
    world.configurations.put(configuration.clone());
    world.announce("billing_portal.configuration.created", &configuration);
    Ok(configuration.render(call.shape))
}

pub(in crate::simulator) fn update(
    world: &mut World,
    call: &Call,
    id: &str,
) -> Result<Value, ApiError> {
    let before = world.configurations.find(id)?.clone();
    let mut after = before.clone();
    after.take(world, &call.params)?;
    after.updated = world.now(None);
    world.configurations.put(after.clone());
    world.announce_change("billing_portal.configuration.updated", &before, &after);
    Ok(after.render(call.shape))
}

/// Also by `active` and `is_default`.
pub(in crate::simulator) fn list(world: &World, call: &Call) -> Result<Value, ApiError> {
    let active = call.params.flag("active")?;
    let default = call.params.flag("is_default")?;
    world.configurations.page(call, |configuration| {
        active.is_none_or(|wanted| configuration.active == wanted)
            && default.is_none_or(|wanted| configuration.is_default == wanted)
    })
}

impl World {
    /// The configuration that a session asks for, else the default.
    pub(super) fn configuration_in(&self, params: &Params) -> Result<Configuration, ApiError> {
        let Some(id) = params.text("configuration") else {
            let mut configurations = self.configurations.iter();
            let default = configurations.find(|configuration| configuration.is_default);
            return default.cloned().ok_or_else(|| {
                ApiError::refused(
                    "No configuration was given, and there is no default: make one first.",
                )
            });
        };
        let found = self.configurations.find(id);
        let found = found.map_err(|error| error.in_param("configuration"))?;
        if !found.active {
            let message = "That configuration is not active.";
            return Err(ApiError::refused(message).in_param("configuration"));
        }
        Ok(found.clone())
    }
}
