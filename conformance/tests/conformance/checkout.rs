//! Hosted checkout of subscriptions.

use serde_json::{Value, json};

use crate::client::{DAY, FEBRUARY, HOUR, NEW_YEAR, TestStripe, id, types};

/// A customer without a card, about to buy a subscription.
struct Buyer {
    stripe: TestStripe,
    clock: String,
    customer: String,
    price: String,
}

impl Buyer {
    async fn start() -> Self {
        let stripe = TestStripe::start().await;
        let clock = stripe.clock().await;
        let customer = id(&stripe
            .post("/v1/customers", &[("test_clock", &clock)])
            .await);
        Self {
            price: stripe.monthly_price().await,
            stripe,
            clock,
            customer,
        }
    }

    async fn try_open(&self, more: &[(&str, &str)]) -> (u16, Value) {
        let mut params = vec![
            ("mode", "subscription"),
            ("line_items[0][price]", self.price.as_str()),
            ("line_items[0][quantity]", "1"),
            ("client_reference_id", "customer-1"),
            (
                "success_url",
                "https://example.com/done?session={CHECKOUT_SESSION_ID}",
            ),
            ("cancel_url", "https://example.com/back?a=1&b=2"),
            ("metadata[a]", "b"),
            ("subscription_data[metadata][tier]", "pro"),
        ];
        params.extend(more);
        self.stripe.try_post("/v1/checkout/sessions", &params).await
    }

    /// An open session for the customer.
    async fn open(&self, more: &[(&str, &str)]) -> Value {
        let mut params = vec![("customer", self.customer.as_str())];
        params.extend(more);
        let (status, session) = self.try_open(&params).await;
        assert_eq!(status, 200, "{session:#}");
        session
    }

    async fn get(&self, session: &Value) -> Value {
        let path = format!("/v1/checkout/sessions/{}", id(session));
        self.stripe.get(&path).await
    }
}

fn url(session: &Value) -> &str {
    session["url"].as_str().unwrap()
}

#[tokio::test]
async fn a_person_pays_on_the_page_and_is_subscribed() {
    let buyer = Buyer::start().await;
    let session = buyer.open(&[]).await;
    assert_eq!(session["status"], "open");
    assert_eq!(session["payment_status"], "unpaid");
    assert_eq!(session["amount_total"], 2900);
    let base = buyer.stripe.simulator.base_url();
    assert!(url(&session).starts_with(&format!("{base}/c/pay/cs_test_")));
    let (status, page) = buyer.stripe.page(url(&session)).await;
    assert_eq!(status, 200);
    assert!(page.contains("29.00 USD") && page.contains("pm_card_visa"));
    assert!(page.contains("https://example.com/back?a=1&amp;b=2"));

    let before = buyer.stripe.event_count();
    let card = [("card", "pm_card_visa")];
    let (status, location, _) = buyer.stripe.submit(url(&session), &card).await;
    let done = format!("https://example.com/done?session={}", id(&session));
    assert_eq!((status, location), (303, Some(done.clone())));
    let events = buyer.stripe.events_since(before);
    let expected = [
        "payment_method.attached",
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "payment_intent.succeeded",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "checkout.session.completed",
    ];
    assert_eq!(types(&events), expected);
    assert_eq!(events[1].body["data"]["object"]["status"], "active");

    let paid = buyer.get(&session).await;
    assert_eq!(
        (&paid["status"], &paid["payment_status"], &paid["url"]),
        (&json!("complete"), &json!("paid"), &Value::Null)
    );
    assert_eq!(paid["client_reference_id"], "customer-1");
    assert_eq!(paid["metadata"], json!({ "a": "b" }));
    assert_eq!(&paid, &events[8].body["data"]["object"]);
    let subscription = paid["subscription"].as_str().unwrap();
    let path = format!("/v1/subscriptions/{subscription}");
    let made = buyer.stripe.get(&path).await;
    assert_eq!(made["metadata"], json!({ "tier": "pro" }));
    assert_eq!(made["latest_invoice"], paid["invoice"]);
    assert!(made["default_payment_method"].is_string());

    // Sent twice, the form leads to the same place and buys nothing.
    let (again, location, _) = buyer.stripe.submit(url(&session), &card).await;
    assert_eq!((again, location), (303, Some(done)));
    for query in [
        format!("customer={}", buyer.customer),
        format!("subscription={subscription}"),
    ] {
        let path = format!("/v1/checkout/sessions?{query}");
        let list = buyer.stripe.get(&path).await;
        assert_eq!(list["data"], json!([paid]));
    }
    let clock = &buyer.clock;
    buyer.stripe.advance(clock, FEBRUARY + HOUR).await;
    assert_eq!(buyer.stripe.get(&path).await["status"], "active");
}

#[tokio::test]
async fn a_decline_leaves_it_open_for_another_card() {
    let buyer = Buyer::start().await;
    let session = buyer.open(&[]).await;
    for card in ["pm_card_chargeCustomerFail", "pm_card_chargeDeclined"] {
        let form = [("card", card)];
        let (status, _, page) = buyer.stripe.submit(url(&session), &form).await;
        assert_eq!(status, 402);
        assert!(page.contains("Your card was declined."));
    }
    let (status, _, _) = buyer.stripe.submit(url(&session), &[]).await;
    assert_eq!(status, 400);
    assert_eq!(buyer.get(&session).await["status"], "open");
    let list = buyer.stripe.get("/v1/subscriptions?status=all").await;
    assert_eq!(list["data"], json!([]));
    let form = [("card", "pm_card_mastercard")];
    assert_eq!(buyer.stripe.submit(url(&session), &form).await.0, 303);
}

#[tokio::test]
async fn three_d_secure_is_asked_for_on_the_page() {
    let buyer = Buyer::start().await;
    let session = buyer.open(&[]).await;
    let card = ("card", "pm_card_threeDSecure2Required");
    let (status, _, page) = buyer.stripe.submit(url(&session), &[card]).await;
    assert_eq!(status, 200);
    assert!(page.contains("Complete authentication"));
    let failed = [card, ("outcome", "fail")];
    assert_eq!(buyer.stripe.submit(url(&session), &failed).await.0, 402);
    let passed = [card, ("outcome", "complete")];
    assert_eq!(buyer.stripe.submit(url(&session), &passed).await.0, 303);
    assert_eq!(buyer.get(&session).await["status"], "complete");
}

#[tokio::test]
async fn an_open_session_is_expired_by_request_or_after_a_day() {
    let buyer = Buyer::start().await;
    let session = buyer.open(&[]).await;
    let path = format!("/v1/checkout/sessions/{}/expire", id(&session));
    let expired = buyer.stripe.post(&path, &[]).await;
    assert_eq!(expired["status"], "expired");
    assert_eq!(expired["url"], Value::Null);
    buyer.stripe.only_event("checkout.session.expired");
    assert_eq!(buyer.stripe.try_post(&path, &[]).await.0, 400);
    let form = [("card", "pm_card_visa")];
    assert_eq!(buyer.stripe.submit(url(&session), &form).await.0, 410);

    let session = buyer.open(&[]).await;
    assert_eq!(session["expires_at"], NEW_YEAR + DAY);
    buyer.stripe.advance(&buyer.clock, NEW_YEAR + DAY - 1).await;
    assert_eq!(buyer.get(&session).await["status"], "open");
    buyer.stripe.advance(&buyer.clock, NEW_YEAR + DAY).await;
    assert_eq!(buyer.get(&session).await["status"], "expired");

    let session = buyer.open(&[]).await;
    buyer.stripe.submit(url(&session), &form).await;
    buyer.stripe.advance(&buyer.clock, NEW_YEAR + 3 * DAY).await;
    assert_eq!(buyer.get(&session).await["status"], "complete");
    let path = format!("/v1/checkout/sessions/{}/expire", id(&session));
    assert_eq!(buyer.stripe.try_post(&path, &[]).await.0, 400);
}

#[tokio::test]
async fn a_guest_becomes_a_customer_and_a_trial_costs_nothing_today() {
    let buyer = Buyer::start().await;
    let guest = [
        ("customer_email", "ada@example.com"),
        ("subscription_data[trial_period_days]", "7"),
    ];
    let (_, session) = buyer.try_open(&guest).await;
    assert_eq!(session["payment_status"], "no_payment_required");
    assert_eq!(session["customer"], Value::Null);
    let form = [("card", "pm_card_visa"), ("email", "ada@example.com")];
    assert_eq!(buyer.stripe.submit(url(&session), &form).await.0, 303);
    let session = buyer.get(&session).await;
    let customer = session["customer"].as_str().unwrap();
    let path = format!("/v1/customers/{customer}");
    assert_eq!(buyer.stripe.get(&path).await["email"], "ada@example.com");
    let path = format!(
        "/v1/subscriptions/{}",
        session["subscription"].as_str().unwrap()
    );
    assert_eq!(buyer.stripe.get(&path).await["status"], "trialing");
}

#[tokio::test]
async fn line_items_are_shown_when_asked_for() {
    let buyer = Buyer::start().await;
    let session = buyer.open(&[("expand[]", "line_items")]).await;
    let item = &session["line_items"]["data"][0];
    assert_eq!(item["price"]["id"], buyer.price.as_str());
    assert!(buyer.get(&session).await.get("line_items").is_none());
    let path = format!("/v1/checkout/sessions/{}/line_items", id(&session));
    assert_eq!(buyer.stripe.get(&path).await, session["line_items"]);
}

#[tokio::test]
async fn what_can_not_be_sold_is_refused() {
    let buyer = Buyer::start().await;
    let cases = [
        ("customer", "cus_none"),
        ("success_url", "javascript:alert(1)"),
        ("mode", "setup"),
        ("line_items[0][price]", "price_none"),
        ("expires_at", "1"),
    ];
    for case in cases {
        let (status, body) = buyer.try_open(&[case]).await;
        assert_eq!(status, 400, "{case:?}: {body:#}");
    }
    let both = [
        ("customer", buyer.customer.as_str()),
        ("customer_email", "ada@example.com"),
    ];
    assert_eq!(buyer.try_open(&both).await.0, 400);
    let (status, _) = buyer
        .stripe
        .page(&buyer.stripe.url("/c/pay/cs_test_none"))
        .await;
    assert_eq!(status, 404);
}
