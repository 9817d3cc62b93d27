//! The customer portal: configurations, sessions, and the forms on the page.

use serde_json::{Value, json};

use crate::client::{DAY, FEBRUARY, HOUR, NEW_YEAR, TestStripe, id, types};
use crate::subscriptions::{give_card, last_invoice};

/// A customer on a plan for $29, in a portal that offers one for $79 and one for $9 as well.
struct Visitor {
    stripe: TestStripe,
    clock: String,
    customer: String,
    /// `sub_…`
    subscription: String,
    cheap: String,
    dear: String,
    configuration: Value,
    url: String,
}

async fn price(stripe: &TestStripe, product: &str, amount: &str) -> String {
    let params = [
        ("product", product),
        ("unit_amount", amount),
        ("currency", "usd"),
        ("recurring[interval]", "month"),
    ];
    id(&stripe.post("/v1/prices", &params).await)
}

impl Visitor {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With more of the configuration as given.
    async fn start_with(more: &[(&str, &str)]) -> Self {
        let stripe = TestStripe::start().await;
        let clock = stripe.clock().await;
        let customer = stripe.customer(&clock, "pm_card_visa").await;
        let named = [("name", "Pro <&> more")];
        let product = id(&stripe.post("/v1/products", &named).await);
        let cheap = price(&stripe, &product, "900").await;
        let current = price(&stripe, &product, "2900").await;
        let dear = price(&stripe, &product, "7900").await;
        let params = [
            ("customer", customer.as_str()),
            ("items[0][price]", &current),
        ];
        let subscription = id(&stripe.post("/v1/subscriptions", &params).await);
        let mut params = vec![
            ("features[subscription_cancel][enabled]", "true"),
            ("features[subscription_update][enabled]", "true"),
            (
                "features[subscription_update][default_allowed_updates][]",
                "price",
            ),
            (
                "features[subscription_update][products][0][product]",
                product.as_str(),
            ),
            (
                "features[subscription_update][products][0][prices][0]",
                &cheap,
            ),
            (
                "features[subscription_update][products][0][prices][1]",
                &current,
            ),
            (
                "features[subscription_update][products][0][prices][2]",
                &dear,
            ),
            (
                "features[subscription_update][proration_behavior]",
                "always_invoice",
            ),
            (
                "features[subscription_update][schedule_at_period_end][conditions][0][type]",
                "decreasing_item_amount",
            ),
            ("features[payment_method_update][enabled]", "true"),
            ("features[invoice_history][enabled]", "true"),
        ];
        params.extend(more);
        let configuration = stripe
            .post("/v1/billing_portal/configurations", &params)
            .await;
        let params = [
            ("customer", customer.as_str()),
            ("return_url", "https://example.com/account?a=1&b=2"),
        ];
        let session = stripe.post("/v1/billing_portal/sessions", &params).await;
        assert_eq!(session["configuration"], configuration["id"]);
        Self {
            url: session["url"].as_str().unwrap().to_owned(),
            stripe,
            clock,
            customer,
            subscription,
            cheap,
            dear,
            configuration,
        }
    }

    /// Sends a form about the subscription: the status and the page.
    async fn act(&self, action: &str, more: &[(&str, &str)]) -> (u16, String) {
        let mut form = vec![("action", action), ("subscription", &self.subscription)];
        form.extend(more);
        let (status, location, page) = self.stripe.submit(&self.url, &form).await;
        if status == 303 {
            let path = self.url.strip_prefix(&self.stripe.simulator.base_url());
            assert_eq!(location.as_deref(), path);
        }
        (status, page)
    }

    async fn page(&self) -> String {
        let (status, page) = self.stripe.page(&self.url).await;
        assert_eq!(status, 200);
        page
    }

    async fn get(&self) -> Value {
        let path = format!("/v1/subscriptions/{}", self.subscription);
        self.stripe.get(&path).await
    }

    async fn advance(&self, to: i64) {
        self.stripe.advance(&self.clock, to).await;
    }
}

fn price_of(subscription: &Value) -> &Value {
    &subscription["items"]["data"][0]["price"]["id"]
}

#[tokio::test]
async fn the_page_shows_what_the_customer_has_and_escapes_it() {
    let visitor = Visitor::start().await;
    let base = visitor.stripe.simulator.base_url();
    assert!(visitor.url.starts_with(&format!("{base}/p/session/test_")));
    let page = visitor.page().await;
    for wanted in [
        "Pro &lt;&amp;&gt; more (29.00 USD per month)",
        "Renews on 1 February 2026",
        "1 January 2026",
        "•••• 4242",
        "https://example.com/account?a=1&amp;b=2",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    assert!(!page.contains("<&>"));
    let stranger = visitor.stripe.url("/p/session/test_guess");
    assert_eq!(visitor.stripe.page(&stranger).await.0, 404);
}

#[tokio::test]
async fn a_cancellation_waits_for_the_end_of_the_period_and_can_be_undone() {
    let visitor = Visitor::start().await;
    let before = visitor.stripe.event_count();
    assert_eq!(visitor.act("cancel", &[]).await.0, 303);
    assert_eq!(
        types(&visitor.stripe.events_since(before)),
        ["customer.subscription.updated"]
    );
    let cancelled = visitor.get().await;
    assert_eq!(
        (&cancelled["cancel_at_period_end"], &cancelled["status"]),
        (&json!(true), &json!("active"))
    );
    assert!(visitor.page().await.contains("Ends on 1 February 2026"));
    assert_eq!(visitor.act("keep", &[]).await.0, 303);
    assert_eq!(visitor.get().await["cancel_at_period_end"], false);
    visitor.act("cancel", &[]).await;
    visitor.advance(FEBRUARY).await;
    assert_eq!(visitor.get().await["status"], "canceled");
    assert_eq!(visitor.act("cancel", &[]).await.0, 404);
}

#[tokio::test]
async fn it_ends_at_once_where_so_configured_with_the_reason_given() {
    let visitor = Visitor::start_with(&[
        ("features[subscription_cancel][mode]", "immediately"),
        (
            "features[subscription_cancel][cancellation_reason][enabled]",
            "true",
        ),
        (
            "features[subscription_cancel][cancellation_reason][options][]",
            "too_expensive",
        ),
    ])
    .await;
    assert!(visitor.page().await.contains("too_expensive"));
    let why = [("feedback", "too_expensive"), ("comment", "<dear>")];
    assert_eq!(visitor.act("cancel", &why).await.0, 303);
    let event = visitor.stripe.only_event("customer.subscription.deleted");
    let details = &event.body["data"]["object"]["cancellation_details"];
    assert_eq!(details["feedback"], "too_expensive");
    assert_eq!(details["comment"], "<dear>");
    assert_eq!(details["reason"], "cancellation_requested");
}

#[tokio::test]
async fn an_upgrade_is_made_and_billed_at_once() {
    let visitor = Visitor::start().await;
    visitor.advance(NEW_YEAR + 31 * DAY / 2).await;
    let dear = [("price", visitor.dear.as_str())];
    assert_eq!(visitor.act("change", &dear).await.0, 303);
    assert_eq!(price_of(&visitor.get().await), visitor.dear.as_str());
    let invoice = last_invoice(&visitor.stripe).await;
    assert_eq!(
        (&invoice["status"], &invoice["amount_paid"]),
        (&json!("paid"), &json!(2500))
    );

    let visitor = Visitor::start().await;
    give_card(
        &visitor.stripe,
        &visitor.customer,
        "pm_card_chargeCustomerFail",
    )
    .await;
    visitor.advance(NEW_YEAR + DAY).await;
    let dear = [("price", visitor.dear.as_str())];
    let (status, page) = visitor.act("change", &dear).await;
    assert_eq!(status, 402);
    assert!(page.contains("Your card was declined."));
    assert_ne!(price_of(&visitor.get().await), visitor.dear.as_str());
    let card = [("card", "pm_card_visa")];
    assert_eq!(visitor.act("card", &card).await.0, 303);
    assert_eq!(visitor.act("change", &dear).await.0, 303);
    assert_eq!(price_of(&visitor.get().await), visitor.dear.as_str());
}

#[tokio::test]
async fn a_downgrade_waits_for_the_end_of_the_period_and_can_be_undone() {
    let visitor = Visitor::start().await;
    let cheap = [("price", visitor.cheap.as_str())];
    assert_eq!(visitor.act("change", &cheap).await.0, 303);
    let waiting = visitor.get().await;
    assert_ne!(price_of(&waiting), visitor.cheap.as_str());
    let schedule = waiting["schedule"].as_str().unwrap();
    assert!(schedule.starts_with("sub_sched_"));
    assert!(
        visitor
            .page()
            .await
            .contains("9.00 USD per month) on 1 Feb")
    );
    visitor.act("keep_plan", &[]).await;
    assert_eq!(visitor.get().await["schedule"], Value::Null);
    visitor.act("change", &cheap).await;
    visitor.advance(FEBRUARY + HOUR).await;
    let changed = visitor.get().await;
    assert_eq!(price_of(&changed), visitor.cheap.as_str());
    assert_eq!(changed["schedule"], Value::Null);
    let invoice = last_invoice(&visitor.stripe).await;
    assert_eq!(invoice["amount_paid"], 900);
}

#[tokio::test]
async fn a_shorter_interval_waits_where_so_configured() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    let product = id(&stripe.post("/v1/products", &[("name", "Pro")]).await);
    let monthly = price(&stripe, &product, "2900").await;
    let yearly = [
        ("product", product.as_str()),
        ("unit_amount", "29000"),
        ("currency", "usd"),
        ("recurring[interval]", "year"),
    ];
    let yearly = id(&stripe.post("/v1/prices", &yearly).await);
    let params = [
        ("customer", customer.as_str()),
        ("items[0][price]", &yearly),
    ];
    let subscription = id(&stripe.post("/v1/subscriptions", &params).await);
    let update = |name: &str| format!("features[subscription_update]{name}");
    let features = [
        (update("[enabled]"), "true"),
        (update("[default_allowed_updates][]"), "price"),
        (update("[products][0][product]"), product.as_str()),
        (update("[products][0][prices][]"), &monthly),
        (
            update("[schedule_at_period_end][conditions][0][type]"),
            "shortening_interval",
        ),
    ];
    let features: Vec<_> = features
        .iter()
        .map(|(name, value)| (&**name, *value))
        .collect();
    stripe
        .post("/v1/billing_portal/configurations", &features)
        .await;
    let own = [("customer", customer.as_str())];
    let session = stripe.post("/v1/billing_portal/sessions", &own).await;
    let form = [
        ("action", "change"),
        ("subscription", &subscription),
        ("price", &monthly),
    ];
    let url = session["url"].as_str().unwrap();
    assert_eq!(stripe.submit(url, &form).await.0, 303);
    let path = format!("/v1/subscriptions/{subscription}");
    assert_eq!(price_of(&stripe.get(&path).await), yearly.as_str());
    let next_year = NEW_YEAR + 365 * DAY;
    stripe.advance(&clock, next_year).await;
    let changed = stripe.get(&path).await;
    assert_eq!(price_of(&changed), monthly.as_str());
    assert_eq!(
        changed["items"]["data"][0]["current_period_end"],
        next_year + 31 * DAY
    );
}

#[tokio::test]
async fn only_the_customers_own_subscriptions_and_what_is_configured_can_be_changed() {
    let visitor = Visitor::start().await;
    let other = visitor
        .stripe
        .customer(&visitor.clock, "pm_card_visa")
        .await;
    let foreign = id(&visitor.stripe.subscribe(&other, &[]).await);
    for subscription in [foreign.as_str(), "sub_none"] {
        let form = [("action", "cancel"), ("subscription", subscription)];
        let (status, _, _) = visitor.stripe.submit(&visitor.url, &form).await;
        assert_eq!(status, 404);
    }
    let path = format!("/v1/subscriptions/{foreign}");
    assert_eq!(visitor.stripe.get(&path).await["cancel_at"], Value::Null);
    assert!(!visitor.page().await.contains(&foreign));
    let unoffered = visitor.stripe.monthly_price().await;
    let form = [("price", unoffered.as_str())];
    assert_eq!(visitor.act("change", &form).await.0, 400);
    assert_eq!(visitor.act("steal", &[]).await.0, 400);

    let path = format!(
        "/v1/billing_portal/configurations/{}",
        id(&visitor.configuration)
    );
    let off = [
        ("features[subscription_cancel][enabled]", "false"),
        ("features[subscription_update][enabled]", "false"),
        ("features[payment_method_update][enabled]", "false"),
    ];
    let updated = visitor.stripe.post(&path, &off).await;
    assert_eq!(updated["features"]["subscription_cancel"]["enabled"], false);
    assert_eq!(updated["features"]["invoice_history"]["enabled"], true);
    let form = [("price", visitor.dear.as_str()), ("card", "pm_card_visa")];
    for action in ["cancel", "keep", "change", "keep_plan", "card"] {
        assert_eq!(visitor.act(action, &form).await.0, 400, "{action}");
    }
}

#[tokio::test]
async fn sessions_need_a_customer_and_a_configuration() {
    let stripe = TestStripe::start().await;
    let customer = id(&stripe.post("/v1/customers", &[]).await);
    let open = async |more: &[(&str, &str)]| {
        let mut params = vec![("return_url", "https://example.com")];
        params.extend(more);
        stripe
            .try_post("/v1/billing_portal/sessions", &params)
            .await
    };
    let own = ("customer", customer.as_str());
    assert_eq!(open(&[own]).await.0, 400);
    let path = "/v1/billing_portal/configurations";
    let cancels = [("features[subscription_cancel][enabled]", "true")];
    let first = stripe.post(path, &cancels).await;
    let second = stripe.post(path, &cancels).await;
    assert_eq!(first["is_default"], true);
    assert_eq!(second["is_default"], false);
    assert_eq!(open(&[own]).await.1["configuration"], first["id"]);
    let chosen = ("configuration", second["id"].as_str().unwrap());
    let (_, session) = open(&[own, chosen]).await;
    assert_eq!(session["configuration"], second["id"]);
    assert_eq!(open(&[("customer", "cus_none")]).await.0, 400);
    let script = ("return_url", "javascript:alert(1)");
    assert_eq!(open(&[own, script]).await.0, 400);
    let inactive = format!("{path}/{}", id(&second));
    stripe.post(&inactive, &[("active", "false")]).await;
    assert_eq!(open(&[own, chosen]).await.0, 400);
    let list = stripe.get(&format!("{path}?is_default=true")).await;
    assert_eq!(list["data"], json!([first]));
    assert_eq!(stripe.try_post(path, &[]).await.0, 400);
    let incomplete = [("features[subscription_update][enabled]", "true")];
    assert_eq!(stripe.try_post(path, &incomplete).await.0, 400);
}
