//! Sessions and configurations of the customer portal.

use billing_core::id::{PriceId, StripeCustomerId};
use serde::Deserialize;

use super::call::Call;
use super::{Answer, Key, List, Stripe, StripeError};

/// A session of the portal. Its URL is for its customer alone.
#[derive(Clone, Deserialize)]
pub struct PortalSession {
    /// Stripe's page.
    pub url: String,
}

/// What the portal lets customers do.
#[derive(Debug, Clone, Deserialize)]
pub struct PortalConfiguration {
    /// `id`.
    pub id: String,
    /// Whether sessions may use it.
    pub active: bool,
    /// `metadata`.
    #[serde(default)]
    pub metadata: std::collections::BTreeMap<String, String>,
}

/// A plan that customers may change to in the portal.
#[derive(Debug, Clone)]
pub struct PortalPlan {
    /// The product.
    pub product: String,
    /// Its price.
    pub price: PriceId,
}

impl Stripe {
    /// Opens a session for a customer.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn create_portal_session(
        &self,
        account: &StripeCustomerId,
        return_url: &str,
        configuration: Option<&str>,
    ) -> Result<Answer<PortalSession>, StripeError> {
        let path = ["billing_portal", "sessions"];
        let call = Call::post("portal.create", &path, Key::drawn())
            .with("customer", account)
            .with("return_url", return_url)
            .with_some("configuration", configuration);
        self.send(call).await
    }

    /// The configurations that sessions may use.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn portal_configurations(&self) -> Result<Vec<PortalConfiguration>, StripeError> {
        let path = ["billing_portal", "configurations"];
        let call = Call::get("portal_configurations.list", &path)
            .with("active", true)
            .with("limit", 100);
        let page: Answer<List<PortalConfiguration>> = self.send(call).await?;
        Ok(page.object.data)
    }

    /// Makes a configuration, or brings the one with an id up to date: customers may change their payment method,
    /// cancel at the end of the period, and change to these plans: to a dearer one at once, with proration, to a
    /// cheaper one at the end of the period.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn save_portal_configuration(
        &self,
        id: Option<&str>,
        plans: &[PortalPlan],
        mark: (&str, &str),
        key: Key,
    ) -> Result<Answer<PortalConfiguration>, StripeError> {
        let path = ["billing_portal", "configurations"];
        let path: Vec<&str> = path.into_iter().chain(id).collect();
        let update = "features[subscription_update]";
        let mut call = Call::post("portal_configurations.save", &path, key)
            .with(&format!("metadata[{}]", mark.0), mark.1)
            .with("features[invoice_history][enabled]", true)
            .with("features[payment_method_update][enabled]", true)
            .with("features[subscription_cancel][enabled]", true)
            .with("features[subscription_cancel][mode]", "at_period_end")
            .with(&format!("{update}[enabled]"), true)
            .with(&format!("{update}[default_allowed_updates][0]"), "price")
            .with(&format!("{update}[proration_behavior]"), "always_invoice")
            .with(
                &format!("{update}[schedule_at_period_end][conditions][0][type]"),
                "decreasing_item_amount",
            );
        for (at, plan) in plans.iter().enumerate() {
            call = call
                .with(&format!("{update}[products][{at}][product]"), &plan.product)
                .with(&format!("{update}[products][{at}][prices][0]"), &plan.price);
        }
        self.send(call).await
    }
}
