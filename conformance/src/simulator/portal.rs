//! The customer portal: what customers may do there, and the sessions in which they do it.
//!
//! A session's page is [`page/portal`](super::page). Whoever knows its address is taken for the customer, as at
//! Stripe; the address ends in a secret.

use serde_json::{Value, json};

use super::call::Call;
use super::error::ApiError;
use super::object::Object;
use super::shape::Shape;
use super::shelf::Shelf;
use super::world::World;

mod act;
mod configuration;
mod feature;

pub(super) use act::Act;
pub(super) use configuration::{
    Configuration, create as create_configuration, list as list_configurations,
    update as update_configuration,
};
pub(super) use feature::Features;

#[derive(Clone, Debug)]
pub(super) struct PortalSession {
    id: String,
    created: i64,
    clock: Option<String>,
    pub(super) customer: String,
    pub(super) configuration: String,
    locale: Option<String>,
    pub(super) return_url: Option<String>,
    url: String,
}

impl Object for PortalSession {
    const NOUN: &'static str = "billing_portal.session";

    fn id(&self) -> &str {
        &self.id
    }

    fn clock(&self) -> Option<&str> {
        self.clock.as_deref()
    }

    fn customer(&self) -> Option<&str> {
        Some(&self.customer)
    }

    fn shelf(world: &mut World) -> &mut Shelf<Self> {
        &mut world.portal_sessions
    }

    fn render(&self, _: Shape) -> Value {
        json!({
            "id": self.id,
            "object": "billing_portal.session",
            "configuration": self.configuration,
            "created": self.created,
            "customer": self.customer,
            "flow": null,
            "livemode": false,
            "locale": self.locale,
            "on_behalf_of": null,
            "return_url": self.return_url,
            "url": self.url,
        })
    }
}

/// `POST /v1/billing_portal/sessions`
pub(super) fn create_session(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    if params.has("flow_data") {
        return Err(ApiError::not_simulated("flows of the portal").in_param("flow_data"));
    }
    let customer = world.customer_in(params)?;
    let configuration = world.configuration_in(params)?;
    let return_url = params.text("return_url").map(str::to_owned);
    let is_web = |url: &String| url.starts_with("https://") || url.starts_with("http://");
    if return_url.as_ref().is_some_and(|url| !is_web(url)) {
        return Err(ApiError::invalid("url_invalid", "Not a valid URL.").in_param("return_url"));
    }
    let mode = if world.rules.livemode { "live" } else { "test" };
    let secret = world.ids.make_secret();
    let session = PortalSession {
        id: world.ids.make("bps_"),
        created: world.now(customer.clock()),
        clock: customer.clock().map(str::to_owned),
        customer: customer.id().to_owned(),
        configuration: configuration.id().to_owned(),
        locale: params.text("locale").map(str::to_owned),
        return_url: return_url.or(configuration.default_return_url),
        url: format!("{}/p/session/{mode}_{secret}", world.rules.base_url),
    };
    world.portal_sessions.put(session.clone());
    world.announce("billing_portal.session.created", &session);
    Ok(session.render(call.shape))
}

impl World {
    /// The session whose address ends so.
    pub(super) fn portal_session(&self, secret: &str) -> Option<PortalSession> {
        let end = format!("/{secret}");
        let mut sessions = self.portal_sessions.iter();
        sessions
            .find(|session| session.url.ends_with(&end))
            .cloned()
    }
}
