//! Webhook endpoints.

use serde::Deserialize;

use super::call::Call;
use super::{Answer, Key, List, Stripe, StripeError};

/// A webhook endpoint, as far as it is looked at here.
#[derive(Clone, Deserialize)]
pub struct WebhookEndpoint {
    /// `id`.
    pub id: String,
    /// Where it delivers to.
    pub url: String,
    /// `api_version`; fixed when it is made.
    pub api_version: Option<String>,
    /// What it delivers.
    pub enabled_events: Vec<String>,
    /// `enabled` or `disabled`.
    pub status: String,
    /// The signing secret: told once, when it is made.
    pub secret: Option<String>,
}

// The secret is one.
impl std::fmt::Debug for WebhookEndpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "WebhookEndpoint({})", self.id)
    }
}

impl Stripe {
    /// All endpoints, of which Stripe allows sixteen.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn webhook_endpoints(&self) -> Result<Vec<WebhookEndpoint>, StripeError> {
        let call = Call::get("webhook_endpoints.list", &["webhook_endpoints"]).with("limit", 100);
        let page: Answer<List<WebhookEndpoint>> = self.send(call).await?;
        Ok(page.object.data)
    }

    /// Makes an endpoint that gets these events in our API version.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn create_webhook_endpoint(
        &self,
        url: &str,
        events: &[&str],
        key: Key,
    ) -> Result<Answer<WebhookEndpoint>, StripeError> {
        let call = Call::post("webhook_endpoints.create", &["webhook_endpoints"], key)
            .with("url", url)
            .with("api_version", self.version());
        self.send(with_events(call, events)).await
    }

    /// Brings the events of an endpoint up to date, and switches it on.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn update_webhook_endpoint(
        &self,
        id: &str,
        events: &[&str],
        key: Key,
    ) -> Result<Answer<WebhookEndpoint>, StripeError> {
        let path = ["webhook_endpoints", id];
        let call = Call::post("webhook_endpoints.update", &path, key).with("disabled", false);
        self.send(with_events(call, events)).await
    }
}

fn with_events(call: Call, events: &[&str]) -> Call {
    events
        .iter()
        .fold(call, |call, event| call.with("enabled_events[]", event))
}
