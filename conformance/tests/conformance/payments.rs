//! First payments that are left to the customer: confirmed, declined, authenticated.

use serde_json::{Value, json};

use crate::client::{HOUR, NEW_YEAR, TestStripe, id, previous, types};

const LEGACY: &str = "2024-06-20";

/// A subscription that waits for its first payment.
struct Waiting {
    stripe: TestStripe,
    clock: String,
    customer: String,
    subscription: String,
    invoice: String,
    /// As the browser gets it.
    client_secret: String,
    /// `/v1/payment_intents/pi_…`
    intent: String,
}

impl Waiting {
    async fn start() -> Self {
        let stripe = TestStripe::start().await;
        let clock = stripe.clock().await;
        let customer = id(&stripe
            .post("/v1/customers", &[("test_clock", &clock)])
            .await);
        let more = [
            ("payment_behavior", "default_incomplete"),
            (
                "payment_settings[save_default_payment_method]",
                "on_subscription",
            ),
            ("expand[]", "latest_invoice.confirmation_secret"),
        ];
        let made = stripe.subscribe(&customer, &more).await;
        assert_eq!(made["status"], "incomplete");
        assert_eq!(
            made["payment_settings"]["save_default_payment_method"],
            "on_subscription"
        );
        let secret = &made["latest_invoice"]["confirmation_secret"];
        assert_eq!(secret["type"], "payment_intent");
        let client_secret = secret["client_secret"].as_str().unwrap().to_owned();
        let intent = client_secret.split("_secret_").next().unwrap();
        Self {
            clock,
            customer,
            subscription: format!("/v1/subscriptions/{}", id(&made)),
            invoice: format!("/v1/invoices/{}", id(&made["latest_invoice"])),
            intent: format!("/v1/payment_intents/{intent}"),
            client_secret,
            stripe,
        }
    }

    /// What Stripe's JavaScript does with a card.
    async fn confirm(&self, card: &str, more: &[(&str, &str)]) -> (u16, Value) {
        let mut params = vec![
            ("payment_method", card),
            ("client_secret", &self.client_secret),
        ];
        params.extend(more);
        let path = format!("{}/confirm", self.intent);
        self.stripe.browser_post(&path, &params).await
    }

    async fn status(&self) -> Value {
        self.stripe.get(&self.subscription).await["status"].clone()
    }
}

#[tokio::test]
async fn a_browser_confirms_and_the_subscription_is_active_and_keeps_the_card() {
    let waiting = Waiting::start().await;
    let before = waiting.stripe.event_count();
    let (status, intent) = waiting.confirm("pm_card_visa", &[]).await;
    assert_eq!((status, &intent["status"]), (200, &json!("succeeded")));
    let events = waiting.stripe.events_since(before);
    let expected = [
        "payment_method.attached",
        "payment_intent.succeeded",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
    ];
    assert_eq!(types(&events), expected);
    let changed = json!({ "default_payment_method": null, "status": "incomplete" });
    assert_eq!(previous(&events[5]), &changed);
    let subscription = waiting.stripe.get(&waiting.subscription).await;
    assert_eq!(subscription["status"], "active");
    assert_eq!(
        subscription["default_payment_method"],
        intent["payment_method"]
    );
    let method = intent["payment_method"].as_str().unwrap();
    let method = waiting
        .stripe
        .get(&format!("/v1/payment_methods/{method}"))
        .await;
    assert_eq!(method["customer"], waiting.customer.as_str());
    let (again, body) = waiting.confirm("pm_card_visa", &[]).await;
    assert_eq!(again, 400);
    assert_eq!(body["error"]["code"], "payment_intent_unexpected_state");
}

#[tokio::test]
async fn a_decline_leaves_it_incomplete_and_another_card_can_be_tried() {
    let waiting = Waiting::start().await;
    for card in ["pm_card_chargeDeclined", "pm_card_chargeCustomerFail"] {
        let (status, body) = waiting.confirm(card, &[]).await;
        assert_eq!(
            (status, &body["error"]["code"]),
            (402, &json!("card_declined"))
        );
        let intent = &body["error"]["payment_intent"];
        assert_eq!(intent["status"], "requires_payment_method");
        assert_eq!(intent["last_payment_error"]["code"], "card_declined");
        assert_eq!(waiting.status().await, "incomplete");
    }
    let made = waiting
        .stripe
        .try_post(
            "/v1/payment_methods",
            &[("type", "card"), ("card[token]", "tok_visa")],
        )
        .await;
    let (status, _) = waiting.confirm(&id(&made.1), &[]).await;
    assert_eq!((status, waiting.status().await), (200, json!("active")));
}

#[tokio::test]
async fn a_server_confirms_without_the_secret_and_a_browser_does_not() {
    let waiting = Waiting::start().await;
    let path = format!("{}/confirm", waiting.intent);
    let card = ("payment_method", "pm_card_visa");
    let (status, _) = waiting.stripe.browser_post(&path, &[card]).await;
    assert_eq!(status, 400);
    let forged = ("client_secret", "pi_1_secret_simulated");
    let (status, _) = waiting.stripe.browser_post(&path, &[card, forged]).await;
    assert_eq!(status, 400);
    let (status, body) = waiting.stripe.browser_post("/v1/customers", &[]).await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (401, &json!("secret_key_required"))
    );
    assert_eq!(waiting.status().await, "incomplete");
    waiting.stripe.post(&path, &[card]).await;
    assert_eq!(waiting.status().await, "active");
}

#[tokio::test]
async fn three_d_secure_is_completed_on_a_page_and_then_pays() {
    let waiting = Waiting::start().await;
    let back = ("return_url", "https://example.com/done?x=1");
    let (status, intent) = waiting
        .confirm("pm_card_threeDSecure2Required", &[back])
        .await;
    assert_eq!(
        (status, &intent["status"]),
        (200, &json!("requires_action"))
    );
    assert_eq!(waiting.status().await, "incomplete");
    waiting.stripe.only_event("payment_intent.requires_action");
    waiting.stripe.only_event("invoice.payment_action_required");
    let url = intent["next_action"]["redirect_to_url"]["url"]
        .as_str()
        .unwrap();
    assert!(waiting.stripe.page(url).await.1.contains("<form"));
    let complete = [("outcome", "complete")];
    let (status, location, _) = waiting.stripe.submit(url, &complete).await;
    assert_eq!(status, 303);
    let location = location.unwrap();
    assert!(location.starts_with("https://example.com/done?x=1&payment_intent=pi_"));
    assert!(location.ends_with("redirect_status=succeeded"));
    assert_eq!(waiting.status().await, "active");
    assert_eq!(waiting.stripe.submit(url, &complete).await.0, 404);

    // Authenticated once, the card pays for renewals.
    waiting
        .stripe
        .advance(&waiting.clock, crate::client::FEBRUARY + HOUR)
        .await;
    assert_eq!(waiting.status().await, "active");
}

#[tokio::test]
async fn failed_authentication_needs_another_card() {
    let waiting = Waiting::start().await;
    let (_, intent) = waiting.confirm("pm_card_threeDSecure2Required", &[]).await;
    let action = &intent["next_action"];
    assert_eq!(action["type"], "use_stripe_sdk");
    let url = action["use_stripe_sdk"]["stripe_js"].as_str().unwrap();
    let fail = [("outcome", "fail")];
    assert_eq!(waiting.stripe.submit(url, &fail).await.0, 200);
    let intent = waiting.stripe.get(&waiting.intent).await;
    assert_eq!(intent["status"], "requires_payment_method");
    assert_eq!(
        intent["last_payment_error"]["code"],
        "payment_intent_authentication_failure"
    );
    waiting.stripe.only_event("invoice.payment_failed");
    assert_eq!(waiting.status().await, "incomplete");
    let (status, _) = waiting.confirm("pm_card_visa", &[]).await;
    assert_eq!((status, waiting.status().await), (200, json!("active")));
}

#[tokio::test]
async fn without_the_customer_three_d_secure_leaves_it_incomplete_or_is_402() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe
        .customer(&clock, "pm_card_threeDSecure2Required")
        .await;
    let subscription = stripe.subscribe(&customer, &[]).await;
    assert_eq!(subscription["status"], "incomplete");
    stripe.only_event("invoice.payment_action_required");
    let price = stripe.monthly_price().await;
    let params = [
        ("customer", customer.as_str()),
        ("items[0][price]", &price),
        ("payment_behavior", "error_if_incomplete"),
    ];
    let (status, body) = stripe.try_post("/v1/subscriptions", &params).await;
    assert_eq!(status, 402);
    assert_eq!(
        body["error"]["code"],
        "subscription_payment_intent_requires_action"
    );
}

#[tokio::test]
async fn until_it_is_paid_a_subscription_takes_metadata_and_no_other_plan() {
    let waiting = Waiting::start().await;
    let path = &waiting.subscription;
    waiting.stripe.post(path, &[("metadata[a]", "b")]).await;
    for change in [
        ("items[0][quantity]", "2"),
        ("cancel_at_period_end", "true"),
    ] {
        let (status, _) = waiting.stripe.try_post(path, &[change]).await;
        assert_eq!(status, 400, "{change:?}");
    }
}

#[tokio::test]
async fn the_secret_is_shown_only_when_asked_for_in_either_shape() {
    let waiting = Waiting::start().await;
    let bare = waiting.stripe.get(&waiting.invoice).await;
    assert!(bare.get("confirmation_secret").is_none());
    let path = format!("{}?expand[]=latest_invoice.payments", waiting.subscription);
    let payments = waiting.stripe.get(&path).await["latest_invoice"]["payments"].clone();
    let intent = id(&waiting.stripe.get(&waiting.intent).await);
    assert_eq!(payments["data"][0]["payment"]["payment_intent"], intent);
    let legacy = |path: &str| {
        let request = waiting.stripe.http.get(waiting.stripe.url(path));
        waiting
            .stripe
            .send(request.header("Stripe-Version", LEGACY))
    };
    let path = format!(
        "{}?expand[]=latest_invoice.payment_intent",
        waiting.subscription
    );
    let (_, subscription) = legacy(&path).await;
    assert_eq!(
        subscription["latest_invoice"]["payment_intent"]["client_secret"],
        waiting.client_secret.as_str()
    );
    let path = format!("{}?expand[]=confirmation_secret", waiting.invoice);
    assert_eq!(legacy(&path).await.0, 400);
}

#[tokio::test]
async fn voiding_the_first_invoice_expires_the_subscription_and_a_paid_one_cannot_be_voided() {
    let waiting = Waiting::start().await;
    let void = format!("{}/void", waiting.invoice);
    waiting.stripe.post(&void, &[]).await;
    assert_eq!(waiting.status().await, "incomplete_expired");
    let (status, _) = waiting.confirm("pm_card_visa", &[]).await;
    assert_eq!(status, 400);

    let paid = Waiting::start().await;
    paid.confirm("pm_card_visa", &[]).await;
    let void = format!("{}/void", paid.invoice);
    assert_eq!(paid.stripe.try_post(&void, &[]).await.0, 400);
    paid.stripe.advance(&paid.clock, NEW_YEAR + 24 * HOUR).await;
    assert_eq!(paid.status().await, "active");
}
