//! Renewals that fail: retries, late payment, and the end.

use conformance::simulator::{AfterLastRetry, SimulatorConfig};
use serde_json::{Value, json};

use crate::client::{DAY, FEBRUARY, HOUR, MARCH, TestStripe, id, previous, types};
use crate::subscriptions::{give_card, last_invoice};

/// A subscription whose second month could not be charged.
struct Behind {
    stripe: TestStripe,
    clock: String,
    customer: String,
    path: String,
}

impl Behind {
    async fn start(config: SimulatorConfig) -> Self {
        let stripe = TestStripe::start_with(config).await;
        let clock = stripe.clock().await;
        let customer = stripe.customer(&clock, "pm_card_visa").await;
        let path = format!(
            "/v1/subscriptions/{}",
            id(&stripe.subscribe(&customer, &[]).await)
        );
        give_card(&stripe, &customer, "pm_card_chargeCustomerFail").await;
        Self {
            stripe,
            clock,
            customer,
            path,
        }
    }

    async fn advance(&self, to: i64) {
        self.stripe.advance(&self.clock, to).await;
    }

    async fn status(&self) -> Value {
        self.stripe.get(&self.path).await["status"].clone()
    }
}

#[tokio::test]
async fn a_failed_renewal_makes_it_past_due_and_plans_a_retry() {
    let behind = Behind::start(SimulatorConfig::default()).await;
    let before = behind.stripe.event_count();
    behind.advance(FEBRUARY + HOUR).await;
    let events = behind.stripe.events_since(before);
    let expected = [
        "test_helpers.test_clock.advancing",
        "customer.subscription.updated",
        "invoice.created",
        "invoice.finalized",
        "payment_intent.payment_failed",
        "invoice.updated",
        "invoice.payment_failed",
        "customer.subscription.updated",
        "test_helpers.test_clock.ready",
    ];
    assert_eq!(types(&events), expected);
    assert_eq!(events[1].created, FEBRUARY);
    assert_eq!(events[3].created, FEBRUARY + HOUR);
    let invoice = &events[6].body["data"]["object"];
    assert_eq!(
        (&invoice["attempt_count"], &invoice["status"]),
        (&json!(1), &json!("open"))
    );
    assert_eq!(invoice["next_payment_attempt"], FEBRUARY + HOUR + 3 * DAY);
    assert_eq!(invoice["billing_reason"], "subscription_cycle");
    assert_eq!(previous(&events[7]), &json!({ "status": "active" }));
    assert_eq!(events[7].body["data"]["object"]["status"], "past_due");
}

#[tokio::test]
async fn a_retry_with_a_new_card_pays_and_makes_it_active() {
    let behind = Behind::start(SimulatorConfig::default()).await;
    behind.advance(FEBRUARY + HOUR).await;
    give_card(&behind.stripe, &behind.customer, "pm_card_visa").await;
    let before = behind.stripe.event_count();
    behind.advance(FEBRUARY + HOUR + 3 * DAY).await;
    let events = behind.stripe.events_since(before);
    let expected = [
        "test_helpers.test_clock.advancing",
        "payment_intent.succeeded",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
        "test_helpers.test_clock.ready",
    ];
    assert_eq!(types(&events), expected);
    assert_eq!(events[3].body["data"]["object"]["attempt_count"], 2);
    assert_eq!(previous(&events[5]), &json!({ "status": "past_due" }));
}

#[tokio::test]
async fn paying_by_hand_counts_as_an_attempt_only_when_it_is_the_first() {
    let behind = Behind::start(SimulatorConfig::default()).await;
    behind.advance(FEBRUARY + HOUR).await;
    let invoice = last_invoice(&behind.stripe).await;
    let pay = format!("/v1/invoices/{}/pay", id(&invoice));
    let (status, body) = behind.stripe.try_post(&pay, &[]).await;
    assert_eq!(status, 402);
    let error = &body["error"];
    assert_eq!(error["type"], "card_error");
    assert_eq!(
        (&error["code"], &error["decline_code"]),
        (&json!("card_declined"), &json!("generic_decline"))
    );
    assert_eq!(error["payment_intent"]["status"], "requires_payment_method");
    let after = last_invoice(&behind.stripe).await;
    assert_eq!(after["attempt_count"], 1);
    assert_eq!(
        after["next_payment_attempt"],
        invoice["next_payment_attempt"]
    );

    let good = give_card(&behind.stripe, &behind.customer, "pm_card_visa").await;
    let paid = behind.stripe.post(&pay, &[("payment_method", &good)]).await;
    assert_eq!(
        (&paid["status"], &paid["attempt_count"]),
        (&json!("paid"), &json!(1))
    );
    assert_eq!(behind.status().await, "active");
    let (again, _) = behind.stripe.try_post(&pay, &[]).await;
    assert_eq!(again, 400);
}

#[tokio::test]
async fn after_the_last_retry_it_is_cancelled() {
    let behind = Behind::start(SimulatorConfig::default()).await;
    let last = FEBRUARY + HOUR + 15 * DAY;
    behind.advance(last - 1).await;
    assert_eq!(behind.status().await, "past_due");
    behind.advance(last).await;
    let event = behind.stripe.only_event("customer.subscription.deleted");
    assert_eq!(event.created, last);
    assert_eq!(
        event.body["data"]["object"]["cancellation_details"]["reason"],
        "payment_failed"
    );
    let failed = behind.stripe.simulator.events();
    let failed = failed
        .iter()
        .filter(|event| event.event_type == "invoice.payment_failed");
    let counts: Vec<_> = failed
        .map(|event| event.body["data"]["object"]["attempt_count"].clone())
        .collect();
    assert_eq!(counts, [1, 2, 3, 4]);
    behind.advance(MARCH + DAY).await;
    assert_eq!(
        behind.stripe.get("/v1/invoices").await["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn it_can_become_unpaid_instead_and_then_its_invoices_stay_drafts() {
    let config = SimulatorConfig {
        after_last_retry: AfterLastRetry::MarkUnpaid,
        retry_after_seconds: vec![60],
        finalize_after_seconds: 0,
        ..Default::default()
    };
    let behind = Behind::start(config).await;
    behind.advance(FEBRUARY + 60).await;
    assert_eq!(behind.status().await, "unpaid");
    behind.advance(MARCH + DAY).await;
    assert_eq!(behind.status().await, "unpaid");
    assert_eq!(last_invoice(&behind.stripe).await["status"], "draft");
}

#[tokio::test]
async fn the_life_of_a_customer_who_pays_late_and_then_leaves() {
    let behind = Behind::start(SimulatorConfig::default()).await;
    let mut statuses = vec![behind.status().await];
    behind.advance(FEBRUARY + HOUR).await;
    statuses.push(behind.status().await);
    give_card(&behind.stripe, &behind.customer, "pm_card_visa").await;
    behind.advance(FEBRUARY + 4 * DAY).await;
    statuses.push(behind.status().await);
    behind
        .stripe
        .post(&behind.path, &[("cancel_at_period_end", "true")])
        .await;
    behind.advance(MARCH).await;
    statuses.push(behind.status().await);
    assert_eq!(statuses, ["active", "past_due", "active", "canceled"]);
}

#[tokio::test]
async fn voiding_the_open_invoice_ends_the_trouble_but_does_not_expire_the_subscription() {
    for close in ["void", "mark_uncollectible"] {
        let behind = Behind::start(SimulatorConfig::default()).await;
        behind.advance(FEBRUARY + HOUR).await;
        let invoice = id(&last_invoice(&behind.stripe).await);
        behind
            .stripe
            .post(&format!("/v1/invoices/{invoice}/{close}"), &[])
            .await;
        assert_eq!(behind.status().await, "active");
        let before = behind.stripe.event_count();
        behind.advance(FEBRUARY + 20 * DAY).await;
        let quiet = behind.stripe.events_since(before);
        assert!(
            quiet
                .iter()
                .all(|event| event.event_type.starts_with("test_helpers.")),
            "no retry of it"
        );
    }
}
