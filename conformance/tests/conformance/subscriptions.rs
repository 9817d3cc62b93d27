//! How subscriptions begin, change and end by request.

use serde_json::{Value, json};

use crate::client::{DAY, FEBRUARY, HOUR, NEW_YEAR, TestStripe, id, previous, types};

#[tokio::test]
async fn a_good_card_makes_it_active_and_pays_the_first_invoice() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    let price = stripe.monthly_price().await;
    let before = stripe.event_count();
    let params = [
        ("customer", customer.as_str()),
        ("items[0][price]", &price),
        ("items[0][quantity]", "2"),
    ];
    let subscription = stripe.post("/v1/subscriptions", &params).await;
    assert_eq!(subscription["status"], "active");
    let expected = [
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "payment_intent.succeeded",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
    ];
    assert_eq!(types(&stripe.events_since(before)), expected);
    let invoice = &stripe.only_event("invoice.paid").body["data"]["object"];
    assert_eq!(invoice["billing_reason"], "subscription_create");
    assert_eq!(
        (&invoice["amount_paid"], &invoice["attempt_count"]),
        (&json!(5800), &json!(1))
    );
    assert_eq!(subscription["latest_invoice"], invoice["id"]);
}

#[tokio::test]
async fn a_failing_card_leaves_it_incomplete_and_it_expires_after_23_hours() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_chargeCustomerFail").await;
    let subscription = stripe
        .subscribe(&customer, &[("expand[]", "latest_invoice")])
        .await;
    assert_eq!(subscription["status"], "incomplete");
    assert_eq!(subscription["latest_invoice"]["status"], "open");
    stripe.only_event("invoice.payment_failed");
    stripe.advance(&clock, NEW_YEAR + 22 * HOUR).await;
    let path = format!("/v1/subscriptions/{}", id(&subscription));
    assert_eq!(stripe.get(&path).await["status"], "incomplete");
    stripe.advance(&clock, NEW_YEAR + 24 * HOUR).await;
    assert_eq!(stripe.get(&path).await["status"], "incomplete_expired");
    let event = stripe.only_event("customer.subscription.updated");
    assert_eq!(event.created, NEW_YEAR + 23 * HOUR);
    stripe.only_event("invoice.voided");
}

#[tokio::test]
async fn an_incomplete_one_becomes_active_when_its_invoice_is_paid() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    let subscription = stripe
        .subscribe(&customer, &[("payment_behavior", "default_incomplete")])
        .await;
    assert_eq!(subscription["status"], "incomplete");
    let invoice = subscription["latest_invoice"].as_str().unwrap();
    stripe
        .post(&format!("/v1/invoices/{invoice}/pay"), &[])
        .await;
    let event = stripe.only_event("customer.subscription.updated");
    assert_eq!(event.body["data"]["object"]["status"], "active");
    assert_eq!(previous(&event), &json!({ "status": "incomplete" }));
    stripe.advance(&clock, NEW_YEAR + 24 * HOUR).await;
    stripe.only_event("customer.subscription.updated");
}

#[tokio::test]
async fn error_if_incomplete_makes_nothing_when_the_card_fails() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_chargeCustomerFail").await;
    let price = stripe.monthly_price().await;
    let before = stripe.event_count();
    let params = [
        ("customer", customer.as_str()),
        ("items[0][price]", &price),
        ("payment_behavior", "error_if_incomplete"),
    ];
    let (status, body) = stripe.try_post("/v1/subscriptions", &params).await;
    assert_eq!(status, 402);
    assert_eq!(body["error"]["code"], "card_declined");
    assert_eq!(stripe.event_count(), before);
    assert_eq!(
        stripe.get("/v1/subscriptions?status=all").await["data"],
        json!([])
    );
}

#[tokio::test]
async fn a_trial_is_announced_three_days_before_its_end_and_then_charged() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    let subscription = stripe
        .subscribe(&customer, &[("trial_period_days", "14")])
        .await;
    assert_eq!(subscription["status"], "trialing");
    assert_eq!(
        stripe.only_event("invoice.paid").body["data"]["object"]["total"],
        0
    );
    stripe.advance(&clock, NEW_YEAR + 13 * DAY).await;
    let notice = stripe.only_event("customer.subscription.trial_will_end");
    assert_eq!(notice.created, NEW_YEAR + 11 * DAY);
    let before = stripe.event_count();
    stripe.advance(&clock, NEW_YEAR + 15 * DAY).await;
    let events = stripe.events_since(before);
    let expected = [
        "test_helpers.test_clock.advancing",
        "customer.subscription.updated",
        "invoice.created",
        "invoice.finalized",
        "payment_intent.succeeded",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "test_helpers.test_clock.ready",
    ];
    assert_eq!(types(&events), expected);
    assert_eq!(previous(&events[1])["status"], "trialing");
    assert_eq!(events[1].created, NEW_YEAR + 14 * DAY);
    assert_eq!(events[3].created, NEW_YEAR + 14 * DAY + HOUR);
    assert_eq!(events[6].body["data"]["object"]["amount_paid"], 2900);
}

#[tokio::test]
async fn a_short_trial_is_announced_at_once_and_only_once() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    stripe
        .subscribe(&customer, &[("trial_period_days", "2")])
        .await;
    stripe.only_event("customer.subscription.trial_will_end");
    stripe.advance(&clock, NEW_YEAR + 3 * DAY).await;
    stripe.only_event("customer.subscription.trial_will_end");
}

#[tokio::test]
async fn without_a_card_a_trial_can_end_in_a_pause_and_be_resumed() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = id(&stripe
        .post("/v1/customers", &[("test_clock", &clock)])
        .await);
    let pause = [
        ("trial_period_days", "7"),
        (
            "trial_settings[end_behavior][missing_payment_method]",
            "pause",
        ),
    ];
    let path = format!(
        "/v1/subscriptions/{}",
        id(&stripe.subscribe(&customer, &pause).await)
    );
    stripe.advance(&clock, NEW_YEAR + 8 * DAY).await;
    assert_eq!(stripe.get(&path).await["status"], "paused");
    stripe.only_event("customer.subscription.paused");
    give_card(&stripe, &customer, "pm_card_visa").await;
    let resumed = stripe.post(&format!("{path}/resume"), &[]).await;
    assert_eq!(resumed["status"], "active");
    assert_eq!(
        resumed["items"]["data"][0]["current_period_start"],
        NEW_YEAR + 8 * DAY
    );
    stripe.only_event("customer.subscription.resumed");
}

#[tokio::test]
async fn a_price_can_be_swapped_without_proration() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    let subscription = stripe.subscribe(&customer, &[]).await;
    let item = id(&subscription["items"]["data"][0]);
    let price = stripe.monthly_price().await;
    let params = [
        ("items[0][id]", item.as_str()),
        ("items[0][price]", &price),
        ("items[0][quantity]", "3"),
        ("proration_behavior", "none"),
    ];
    let before = stripe.event_count();
    let updated = stripe
        .post(&format!("/v1/subscriptions/{}", id(&subscription)), &params)
        .await;
    assert_eq!(updated["items"]["data"][0]["id"], item.as_str());
    let events = stripe.events_since(before);
    assert_eq!(types(&events), ["customer.subscription.updated"]);
    assert_eq!(
        previous(&events[0])["items"]["data"],
        subscription["items"]["data"]
    );
    stripe.advance(&clock, FEBRUARY + HOUR).await;
    let invoice = last_invoice(&stripe).await;
    assert_eq!(invoice["amount_paid"], 8700);
}

#[tokio::test]
async fn cancelled_at_period_end_it_runs_to_the_end() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    let path = format!(
        "/v1/subscriptions/{}",
        id(&stripe.subscribe(&customer, &[]).await)
    );
    stripe
        .post(&path, &[("cancel_at_period_end", "true")])
        .await;
    stripe.advance(&clock, FEBRUARY - 1).await;
    assert_eq!(stripe.get(&path).await["status"], "active");
    stripe.advance(&clock, FEBRUARY).await;
    let event = stripe.only_event("customer.subscription.deleted");
    let object = &event.body["data"]["object"];
    assert_eq!(
        (&object["status"], &object["ended_at"]),
        (&json!("canceled"), &json!(FEBRUARY))
    );
    assert_eq!(
        stripe.get("/v1/invoices").await["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_withdrawn_cancellation_leaves_it_running() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    let path = format!(
        "/v1/subscriptions/{}",
        id(&stripe.subscribe(&customer, &[]).await)
    );
    stripe
        .post(&path, &[("cancel_at", &(NEW_YEAR + DAY).to_string())])
        .await;
    stripe.post(&path, &[("cancel_at", "")]).await;
    stripe.advance(&clock, FEBRUARY).await;
    let subscription = stripe.get(&path).await;
    assert_eq!(
        (&subscription["status"], &subscription["cancel_at"]),
        (&json!("active"), &Value::Null)
    );
}

#[tokio::test]
async fn cancel_at_ends_it_in_the_middle_of_a_period() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    let path = format!(
        "/v1/subscriptions/{}",
        id(&stripe.subscribe(&customer, &[]).await)
    );
    stripe
        .post(&path, &[("cancel_at", &(NEW_YEAR + 5 * DAY).to_string())])
        .await;
    stripe.advance(&clock, FEBRUARY).await;
    assert_eq!(
        stripe.only_event("customer.subscription.deleted").created,
        NEW_YEAR + 5 * DAY
    );
}

#[tokio::test]
async fn cancelled_by_request_it_ends_now_and_is_found_only_as_cancelled() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    let path = format!(
        "/v1/subscriptions/{}",
        id(&stripe.subscribe(&customer, &[]).await)
    );
    assert_eq!(stripe.delete(&path).await["status"], "canceled");
    let (again, _) = stripe.send(stripe.http.delete(stripe.url(&path))).await;
    assert_eq!(again, 404);
    let list = format!("/v1/subscriptions?customer={customer}");
    assert_eq!(stripe.get(&list).await["data"], json!([]));
    let all = stripe.get(&format!("{list}&status=all")).await;
    assert_eq!(all["data"].as_array().unwrap().len(), 1);
    stripe.advance(&clock, FEBRUARY + DAY).await;
    assert_eq!(
        stripe.get("/v1/invoices").await["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn while_collection_is_paused_renewals_are_voided_until_it_resumes() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    let path = format!(
        "/v1/subscriptions/{}",
        id(&stripe.subscribe(&customer, &[]).await)
    );
    let resumes_at = (FEBRUARY + 5 * DAY).to_string();
    let pause = [
        ("pause_collection[behavior]", "void"),
        ("pause_collection[resumes_at]", &resumes_at),
    ];
    stripe.post(&path, &pause).await;
    stripe.advance(&clock, FEBRUARY + 6 * DAY).await;
    stripe.only_event("invoice.voided");
    let subscription = stripe.get(&path).await;
    assert_eq!(
        (&subscription["status"], &subscription["pause_collection"]),
        (&json!("active"), &Value::Null)
    );
}

#[tokio::test]
async fn what_would_be_charged_otherwise_at_stripe_is_refused() {
    let stripe = TestStripe::start().await;
    let customer = id(&stripe.post("/v1/customers", &[]).await);
    let price = stripe.monthly_price().await;
    for more in [
        ("billing_cycle_anchor", "1800000000"),
        ("add_invoice_items[0][price]", price.as_str()),
        ("automatic_tax[enabled]", "true"),
    ] {
        let params = [
            ("customer", customer.as_str()),
            ("items[0][price]", &price),
            more,
        ];
        let (status, _) = stripe.try_post("/v1/subscriptions", &params).await;
        assert_eq!(status, 400, "{more:?}");
    }
}

pub(crate) async fn give_card(stripe: &TestStripe, customer: &str, card: &str) -> String {
    let path = format!("/v1/payment_methods/{card}/attach");
    let method = id(&stripe.post(&path, &[("customer", customer)]).await);
    let default = [("invoice_settings[default_payment_method]", method.as_str())];
    stripe
        .post(&format!("/v1/customers/{customer}"), &default)
        .await;
    method
}

pub(crate) async fn last_invoice(stripe: &TestStripe) -> Value {
    stripe.get("/v1/invoices?limit=1").await["data"][0].clone()
}
