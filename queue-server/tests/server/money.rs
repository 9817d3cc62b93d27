//! The money path on the running server, against the simulated Stripe.

mod authority;
mod checkout;
mod client;
mod hostile;
mod late;
mod official;
mod parallel;
mod plans;
mod portal;
mod privacy;
mod setup;
mod subscribe;
mod tokens;

use conformance::simulator::{ApiVersion, Endpoint, ReceivedRequest, Simulator, SimulatorConfig};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

pub(crate) use portal::prepared;

use crate::support::{Installation, SECRET, Server, TOKEN, eventually};

const KEY: &str = "rk_test_of_the_tests";
pub(crate) const ORIGIN: &str = "https://app.example.com";

/// A shop: the simulated Stripe with the plans' prices, and an installation that calls it.
pub(crate) struct Shop {
    pub(crate) stripe: Simulator,
    pub(crate) installation: Installation,
    http: reqwest::Client,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(SimulatorConfig::default()).await
    }

    pub(crate) async fn open_with(config: SimulatorConfig) -> Self {
        let stripe = Simulator::start(config).await.unwrap();
        let http = crate::support::client();
        let base = stripe.base_url();
        let mut prices = Vec::new();
        for (name, amount) in [("Pro", "2900"), ("Pro+", "7900")] {
            let price = [
                ("product_data[name]", name),
                ("unit_amount", amount),
                ("currency", "usd"),
                ("recurring[interval]", "month"),
            ];
            let made = http.post(format!("{base}/v1/prices")).form(&price);
            let made: Value = made
                .bearer_auth(KEY)
                .send()
                .await
                .unwrap()
                .json()
                .await
                .unwrap();
            prices.push(made["id"].as_str().unwrap().to_owned());
        }
        let installation = Installation::new()
            .with("STRIPE_API_BASE", &base)
            .with("STRIPE_RESTRICTED_KEY", KEY)
            .with("STRIPE_PUBLISHABLE_KEY", "pk_test_of_the_tests")
            .with("STRIPE_PRICE_ID_PRO", &prices[0])
            .with("STRIPE_PRICE_ID_PRO_PLUS", &prices[1])
            .with("STRIPE_TIMEOUT_SECONDS", "1")
            .with("RETURN_URL_ORIGINS", ORIGIN);
        Self {
            stripe,
            installation,
            http,
        }
    }

    /// Another installation that calls the same Stripe.
    pub(crate) fn installation_beside(&self) -> Installation {
        self.installation.beside(Installation::new())
    }

    pub(crate) fn with(mut self, variable: &'static str, value: &str) -> Self {
        self.installation = self.installation.with(variable, value);
        self
    }

    /// A server that gets Stripe's webhooks.
    pub(crate) async fn serve(&self) -> Server {
        let server = self.installation.serve().await;
        let url = server.url("/api/v1/billing/webhook");
        self.stripe.add_endpoint(Endpoint::new(&url, SECRET));
        server
    }

    /// The same in an older shape.
    pub(crate) async fn serve_in(&self, version: &str) -> Server {
        let server = self.installation.serve().await;
        let url = server.url("/api/v1/billing/webhook");
        let version = ApiVersion::parse(version).unwrap();
        let endpoint = Endpoint::new(&url, SECRET).with_api_version(version);
        self.stripe.add_endpoint(endpoint);
        server
    }

    /// What the API shows.
    pub(crate) async fn at_stripe(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.stripe.base_url());
        let answer = self.http.get(url).bearer_auth(KEY).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    pub(crate) async fn post_to_stripe(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let url = format!("{}{path}", self.stripe.base_url());
        let request = self.http.post(url).form(form).bearer_auth(KEY);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// All subscriptions at Stripe that are not over.
    pub(crate) async fn live_subscriptions(&self) -> Vec<Value> {
        let page = self
            .at_stripe("/v1/subscriptions?status=all&limit=100")
            .await;
        let all = page["data"].as_array().unwrap().clone();
        let over = ["canceled", "incomplete_expired"];
        all.into_iter()
            .filter(|it| !over.contains(&it["status"].as_str().unwrap()))
            .collect()
    }

    /// Pays as the Payment Element does in the browser.
    pub(crate) async fn pay(&self, subscribed: &Value, card: &str) -> StatusCode {
        let secret = subscribed["client_secret"].as_str().unwrap();
        let intent = secret.split("_secret").next().unwrap();
        let url = format!(
            "{}/v1/payment_intents/{intent}/confirm",
            self.stripe.base_url()
        );
        let form = [("payment_method", card), ("client_secret", secret)];
        let request = self.http.post(url).form(&form);
        let request = request.bearer_auth("pk_test_of_the_tests");
        request.send().await.unwrap().status()
    }

    /// The calls that servers made so far, without ours.
    pub(crate) fn calls(&self) -> Vec<ReceivedRequest> {
        let ours = |request: &ReceivedRequest| request.api_version.is_some();
        self.stripe.requests().into_iter().filter(ours).collect()
    }

    /// The mirror row, as `tier/status`.
    pub(crate) async fn mirror(&self, customer: &str) -> String {
        let database = self.installation.database().await;
        let statement = format!(
            "select plan_tier || '/' || status from billing_subscription_mirror
             where queue_customer_id = '{customer}'"
        );
        let row = sqlx::query_scalar(sqlx::AssertSqlSafe(statement));
        let row: Option<String> = row.fetch_optional(&database).await.unwrap();
        database.close().await;
        row.unwrap_or_default()
    }

    pub(crate) async fn assert_mirrored(&self, customer: &str, row: &str) {
        eventually(&format!("{customer} is {row}"), async || {
            self.mirror(customer).await == row
        })
        .await;
    }
}

/// A customer of the seller's, as the seller's back end acts for them.
#[derive(Clone, Copy)]
pub(crate) struct Customer<'a>(pub(crate) &'a str);

impl Customer<'_> {
    pub(crate) async fn try_post(self, server: &Server, path: &str, body: Value) -> Response {
        let url = server.url(&format!("/api/v1/billing{path}"));
        let request = server.client.post(url).bearer_auth(TOKEN);
        let request = request.header("x-queue-customer-id", self.0);
        request.json(&body).send().await.unwrap()
    }

    /// Status and body.
    pub(crate) async fn post(self, server: &Server, path: &str, body: Value) -> (u16, Value) {
        let response = self.try_post(server, path, body).await;
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(crate) async fn subscribe(self, server: &Server, tier: &str) -> (u16, Value) {
        self.post(server, "/subscribe", json!({ "plan_tier": tier }))
            .await
    }

    pub(crate) async fn me(self, server: &Server) -> Value {
        let request = server.client.get(server.url("/api/v1/billing/me"));
        let request = request.bearer_auth(TOKEN);
        let request = request.header("x-queue-customer-id", self.0);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    pub(crate) async fn sign_up(self, server: &Server) {
        let url = server.url(&format!("/api/v1/billing/customers/{}", self.0));
        let request = server.client.put(url).bearer_auth(TOKEN);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    }
}
