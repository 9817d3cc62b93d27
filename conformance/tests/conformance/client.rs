//! A simulator with a client: what every test starts from.

use conformance::client::client;
use conformance::driver::API_KEY;
use conformance::simulator::{Event, Simulator, SimulatorConfig};
use serde_json::Value;

/// 1 January 2026, midnight UTC.
pub(crate) const NEW_YEAR: i64 = 1_767_225_600;
/// 1 February 2026: the end of a first month.
pub(crate) const FEBRUARY: i64 = 1_769_904_000;
/// 1 March 2026.
pub(crate) const MARCH: i64 = 1_772_323_200;
pub(crate) const HOUR: i64 = 3600;
pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) struct TestStripe {
    pub(crate) simulator: Simulator,
    pub(crate) http: reqwest::Client,
}

impl TestStripe {
    pub(crate) async fn start() -> Self {
        Self::start_with(SimulatorConfig::default()).await
    }

    pub(crate) async fn start_with(config: SimulatorConfig) -> Self {
        Self {
            simulator: Simulator::start(config).await.unwrap(),
            http: client().build().unwrap(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.simulator.base_url())
    }

    /// A request that may fail: its status and body.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let response = request.bearer_auth(API_KEY).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(crate) async fn try_post(&self, path: &str, params: &[(&str, &str)]) -> (u16, Value) {
        self.send(self.http.post(self.url(path)).form(params)).await
    }

    pub(crate) async fn post(&self, path: &str, params: &[(&str, &str)]) -> Value {
        let (status, body) = self.try_post(path, params).await;
        assert_eq!(status, 200, "POST {path}: {body:#}");
        body
    }

    /// A request as a browser makes it: with a publishable key.
    pub(crate) async fn browser_post(&self, path: &str, params: &[(&str, &str)]) -> (u16, Value) {
        let request = self
            .http
            .post(self.url(path))
            .bearer_auth("pk_test_browser");
        let response = request.form(params).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// The text of a page, as a browser gets it.
    pub(crate) async fn page(&self, url: &str) -> (u16, String) {
        let response = self.http.get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// A form on a page, sent: the status, the address it leads to, and the text.
    pub(crate) async fn submit(
        &self,
        url: &str,
        form: &[(&str, &str)],
    ) -> (u16, Option<String>, String) {
        let browser = client().redirect(reqwest::redirect::Policy::none());
        let request = browser.build().unwrap().post(url).form(form);
        let response = request.send().await.unwrap();
        let location = response.headers().get("location");
        let location = location.map(|url| url.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        (status, location, response.text().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(self.http.get(self.url(path))).await;
        assert_eq!(status, 200, "GET {path}: {body:#}");
        body
    }

    pub(crate) async fn delete(&self, path: &str) -> Value {
        let (status, body) = self.send(self.http.delete(self.url(path))).await;
        assert_eq!(status, 200, "DELETE {path}: {body:#}");
        body
    }

    /// A clock that stands at New Year.
    pub(crate) async fn clock(&self) -> String {
        let time = NEW_YEAR.to_string();
        let params = [("frozen_time", time.as_str())];
        id(&self.post("/v1/test_helpers/test_clocks", &params).await)
    }

    pub(crate) async fn advance(&self, clock: &str, to: i64) -> Value {
        let path = format!("/v1/test_helpers/test_clocks/{clock}/advance");
        self.post(&path, &[("frozen_time", &to.to_string())]).await
    }

    /// A customer on the clock whose default payment method is a test card.
    pub(crate) async fn customer(&self, clock: &str, card: &str) -> String {
        let params = [
            ("test_clock", clock),
            ("payment_method", card),
            ("invoice_settings[default_payment_method]", card),
        ];
        id(&self.post("/v1/customers", &params).await)
    }

    /// $29 a month.
    pub(crate) async fn monthly_price(&self) -> String {
        let params = [
            ("product_data[name]", "Pro"),
            ("unit_amount", "2900"),
            ("currency", "usd"),
            ("recurring[interval]", "month"),
        ];
        id(&self.post("/v1/prices", &params).await)
    }

    /// A subscription to a price of its own, with more parameters as given.
    pub(crate) async fn subscribe(&self, customer: &str, more: &[(&str, &str)]) -> Value {
        let price = self.monthly_price().await;
        let mut params = vec![("customer", customer), ("items[0][price]", &price)];
        params.extend(more);
        self.post("/v1/subscriptions", &params).await
    }

    /// The events since the first `skipped`.
    pub(crate) fn events_since(&self, skipped: usize) -> Vec<Event> {
        self.simulator.events().split_off(skipped)
    }

    pub(crate) fn event_count(&self) -> usize {
        self.simulator.events().len()
    }

    /// The one event of this type; a test that expects one fails on two.
    pub(crate) fn only_event(&self, event_type: &str) -> Event {
        let mut found = self.simulator.events();
        found.retain(|event| event.event_type == event_type);
        assert_eq!(found.len(), 1, "events of type {event_type}: {found:#?}");
        found.remove(0)
    }
}

pub(crate) fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

pub(crate) fn types(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event.event_type.as_str())
        .collect()
}

pub(crate) fn previous(event: &Event) -> &Value {
    &event.body["data"]["previous_attributes"]
}
