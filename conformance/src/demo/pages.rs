//! What the seller's pages and the customer's browser do: they ask the server, and pay and cancel at Stripe.

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::system::{APP_ORIGIN, INTERNAL_TOKEN, PUBLISHABLE_KEY, System};

/// The pages, for one customer.
pub(super) struct Pages<'a> {
    system: &'a System,
    customer: &'static str,
}

impl<'a> Pages<'a> {
    pub(super) fn new(system: &'a System, customer: &'static str) -> Self {
        Self { system, customer }
    }

    /// Chooses a plan, and pays for it as the Payment Element does.
    pub(super) async fn subscribe(&self, tier: &str, card: &str) -> anyhow::Result<()> {
        let subscribed = self.ask("subscribe", json!({ "plan_tier": tier })).await?;
        let secret = text(&subscribed, "client_secret")?;
        let intent = secret.split("_secret").next().unwrap_or_default();
        let url = format!(
            "{}/v1/payment_intents/{intent}/confirm",
            self.system.stripe.base_url()
        );
        let paid = self
            .system
            .client
            .post(url)
            .bearer_auth(PUBLISHABLE_KEY)
            .form(&[("client_secret", secret), ("payment_method", card)])
            .send()
            .await?;
        ensure!(paid.status().is_success(), "the payment: {}", paid.status());
        Ok(())
    }

    /// Chooses a dearer plan.
    pub(super) async fn change_plan(&self, tier: &str) -> anyhow::Result<()> {
        let changed = self.ask("plan", json!({ "plan_tier": tier })).await?;
        ensure!(changed["outcome"] == "changed", "the change: {changed}");
        Ok(())
    }

    /// Goes to the customer portal, and cancels there.
    pub(super) async fn cancel_in_portal(&self) -> anyhow::Result<()> {
        let return_url = format!("{APP_ORIGIN}/account");
        let opened = self
            .ask("portal", json!({ "return_url": return_url }))
            .await?;
        let events = self.system.stripe.events();
        let objects = events
            .iter()
            .rev()
            .map(|event| &event.body["data"]["object"]);
        let subscription = objects
            .filter(|object| object["object"] == "subscription")
            .find(|object| object["metadata"]["queue_customer_id"] == self.customer)
            .context("no subscription of theirs")?;
        let form = [
            ("action", "cancel"),
            ("subscription", text(subscription, "id")?),
        ];
        let page = self.system.client.post(text(&opened, "url")?).form(&form);
        let page = page.send().await?;
        ensure!(page.status().is_success(), "the portal: {}", page.status());
        Ok(())
    }

    /// Asks the server, as the seller's back end does for a customer who is logged in.
    async fn ask(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        let url = format!("{}/api/v1/billing/{path}", self.system.queue.url());
        let request = self.system.client.post(url).bearer_auth(INTERNAL_TOKEN);
        let request = request.header("x-queue-customer-id", self.customer);
        let response = request.json(&body).send().await?;
        let status = response.status();
        let answer: Value = response.json().await?;
        ensure!(status.is_success(), "{path}: {status} {answer}");
        Ok(answer)
    }
}

fn text<'v>(value: &'v Value, name: &str) -> anyhow::Result<&'v str> {
    value[name].as_str().with_context(|| format!("no {name}"))
}
