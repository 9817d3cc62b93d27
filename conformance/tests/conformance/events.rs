//! What events look like, and that all ids follow from the seed.

use conformance::simulator::SimulatorConfig;
use serde_json::{Value, json};

use crate::client::{NEW_YEAR, TestStripe, id, previous, types};

#[tokio::test]
async fn an_event_has_stripes_fields() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    let event = stripe.only_event("customer.created");
    assert_eq!(event.object_id, customer);
    assert_eq!(event.customer_id.as_deref(), Some(customer.as_str()));
    assert_eq!(event.created, NEW_YEAR, "the time of the customer's clock");
    let body = &event.body;
    assert_eq!(body["object"], "event");
    assert_eq!(body["livemode"], false);
    assert_eq!(body["pending_webhooks"], 0);
    assert!(body["request"]["id"].as_str().unwrap().starts_with("req_"));
    assert_eq!(body["id"].as_str().unwrap().len(), "evt_".len() + 24);
    assert!(body["data"].get("previous_attributes").is_none());
}

#[tokio::test]
async fn previous_attributes_hold_only_what_changed() {
    let stripe = TestStripe::start().await;
    let params = [
        ("name", "Ada"),
        ("metadata[kept]", "1"),
        ("metadata[changed]", "1"),
    ];
    let customer = id(&stripe.post("/v1/customers", &params).await);
    let path = format!("/v1/customers/{customer}");
    let change = [
        ("metadata[changed]", "2"),
        ("metadata[added]", "1"),
        ("name", "Ada L."),
    ];
    stripe.post(&path, &change).await;
    let event = stripe.only_event("customer.updated");
    let expected = json!({ "name": "Ada", "metadata": { "changed": "1", "added": null } });
    assert_eq!(previous(&event), &expected);
    stripe.post(&path, &change).await;
    stripe.only_event("customer.updated");
}

#[tokio::test]
async fn a_scheduled_cancellation_is_visible_in_previous_attributes() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    let subscription = stripe.subscribe(&customer, &[]).await;
    let path = format!("/v1/subscriptions/{}", id(&subscription));
    stripe
        .post(&path, &[("cancel_at_period_end", "true")])
        .await;
    let event = stripe.only_event("customer.subscription.updated");
    let expected = json!({
        "cancel_at": null,
        "cancel_at_period_end": false,
        "canceled_at": null,
        "cancellation_details": { "reason": null },
    });
    assert_eq!(previous(&event), &expected);
}

#[tokio::test]
async fn the_same_seed_and_requests_make_the_same_events() {
    let [first, again, other] = [run(7).await, run(7).await, run(8).await];
    assert_eq!(first, again);
    assert_eq!(first.len(), other.len());
    assert!(
        first
            .iter()
            .zip(&other)
            .all(|(one, two)| one["id"] != two["id"])
    );
}

/// The life of a customer on a clock; only the clock's own events carry real time.
async fn run(seed: u64) -> Vec<Value> {
    let config = SimulatorConfig {
        seed,
        ..Default::default()
    };
    let stripe = TestStripe::start_with(config).await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    stripe.subscribe(&customer, &[]).await;
    stripe.advance(&clock, NEW_YEAR + 40 * 24 * 3600).await;
    let mut events: Vec<Value> = stripe
        .simulator
        .events()
        .into_iter()
        .map(|event| event.body)
        .collect();
    events.iter_mut().for_each(erase_real_time);
    events
}

/// Products and prices, clocks and cards are made in real time: their times say when the test ran.
fn erase_real_time(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if matches!(key.as_str(), "created" | "updated" | "deletes_after") {
                    *value = Value::Null;
                } else {
                    erase_real_time(value);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(erase_real_time),
        _ => {}
    }
}

#[tokio::test]
async fn deleting_a_customer_ends_its_subscriptions_first() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    stripe.subscribe(&customer, &[]).await;
    let before = stripe.event_count();
    let stub = stripe.delete(&format!("/v1/customers/{customer}")).await;
    assert_eq!(
        stub,
        json!({ "id": customer, "object": "customer", "deleted": true })
    );
    assert_eq!(
        types(&stripe.events_since(before)),
        ["customer.subscription.deleted", "customer.deleted"]
    );
    assert_eq!(stripe.get(&format!("/v1/customers/{customer}")).await, stub);
}
