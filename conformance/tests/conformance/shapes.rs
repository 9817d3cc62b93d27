//! The two API shapes, by request and by endpoint.

use conformance::simulator::{ApiVersion, Endpoint};
use serde_json::Value;

use crate::client::{FEBRUARY, NEW_YEAR, TestStripe, id};
use crate::receiver::{Received, Receiver};

async fn in_version(stripe: &TestStripe, path: &str, version: &str) -> Value {
    let request = stripe
        .http
        .get(stripe.url(path))
        .header("Stripe-Version", version);
    stripe.send(request).await.1
}

#[tokio::test]
async fn the_version_of_a_request_chooses_the_shape_of_its_response() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    let subscription = stripe.subscribe(&customer, &[]).await;
    let name = id(&subscription);
    let invoice = format!(
        "/v1/invoices/{}",
        subscription["latest_invoice"].as_str().unwrap()
    );
    let path = format!("/v1/subscriptions/{name}");

    let legacy = in_version(&stripe, &path, "2024-06-20").await;
    assert_eq!(legacy["current_period_start"], NEW_YEAR);
    assert_eq!(legacy["current_period_end"], FEBRUARY);
    assert!(
        legacy["items"]["data"][0]
            .get("current_period_end")
            .is_none()
    );
    let legacy = in_version(&stripe, &invoice, "2024-06-20").await;
    assert_eq!(legacy["subscription"], name.as_str());
    assert_eq!(legacy["paid"], true);
    assert!(legacy.get("parent").is_none());

    for version in ["2025-03-31.basil", "2025-09-30.clover"] {
        let basil = in_version(&stripe, &path, version).await;
        assert!(basil.get("current_period_end").is_none());
        assert_eq!(basil["items"]["data"][0]["current_period_end"], FEBRUARY);
        let basil = in_version(&stripe, &invoice, version).await;
        assert_eq!(
            basil["parent"]["subscription_details"]["subscription"],
            name.as_str()
        );
        assert!(basil.get("subscription").is_none());
    }
    let refused = in_version(&stripe, &path, "yesterday").await;
    assert_eq!(refused["error"]["type"], "invalid_request_error");
}

#[tokio::test]
async fn each_endpoint_gets_its_own_shape_with_previous_attributes_to_match() {
    let stripe = TestStripe::start().await;
    let (old, new) = (
        Receiver::answering(&[]).await,
        Receiver::answering(&[]).await,
    );
    let legacy = ApiVersion::parse("2024-06-20").unwrap();
    stripe
        .simulator
        .add_endpoint(Endpoint::new(&old.url, "whsec_old").with_api_version(legacy));
    stripe
        .simulator
        .add_endpoint(Endpoint::new(&new.url, "whsec_new"));
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    let first = stripe.subscribe(&customer, &[]).await["latest_invoice"].clone();
    stripe.advance(&clock, FEBRUARY).await;
    stripe.simulator.settled().await;

    let event = renewal(&old.received());
    assert_eq!(event["api_version"], "2024-06-20");
    let previous = event["data"]["previous_attributes"].as_object().unwrap();
    assert_eq!(previous.len(), 3, "{previous:?}");
    assert_eq!(previous["current_period_start"], NEW_YEAR);
    assert_eq!(previous["current_period_end"], FEBRUARY);
    assert_eq!(previous["latest_invoice"], first);

    let event = renewal(&new.received());
    assert_eq!(event["api_version"], "2025-03-31.basil");
    let previous = event["data"]["previous_attributes"].as_object().unwrap();
    assert_eq!(previous.len(), 2, "{previous:?}");
    let items = previous["items"].as_object().unwrap();
    assert_eq!(items.keys().collect::<Vec<_>>(), ["data"]);
    assert_eq!(items["data"][0]["current_period_end"], FEBRUARY);
    assert_eq!(previous["latest_invoice"], first);
}

fn renewal(received: &[Received]) -> Value {
    let mut events = received.iter().map(Received::event);
    events
        .find(|event| event["type"] == "customer.subscription.updated")
        .unwrap()
}
