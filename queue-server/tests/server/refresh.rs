//! What is in doubt is looked at again through Stripe's API, by the running server (O4).

use std::time::Duration;

use conformance::simulator::{Failure, FailureKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::money::{Customer, Shop};
use crate::records::read;
use crate::support::{Server, event, within};

/// A look comes four seconds after the second in doubt, and back-off doubles from five.
const PATIENCE: Duration = Duration::from_secs(45);

/// A customer who pays at Stripe while none of Stripe's events reaches the server; and their subscription.
async fn unheard(shop: &Shop) -> (Server, Value) {
    let server = shop.installation.serve().await;
    let (status, subscribed) = Customer("jenny").subscribe(&server, "pro").await;
    assert_eq!(status, 200, "{subscribed}");
    assert_eq!(shop.pay(&subscribed, "pm_card_visa").await, StatusCode::OK);
    let [subscription] = &shop.live_subscriptions().await[..] else {
        panic!("there is one subscription");
    };
    assert_eq!(subscription["status"], "active");
    (server, subscription.clone())
}

/// What an event shows that nobody can tell from another one of the same second.
fn doubtful(id: &str, subscription: &Value, status: &str, created: i64) -> Value {
    let mut object = subscription.clone();
    object["status"] = json!(status);
    let mut event = event(id, "customer.subscription.updated", object);
    event["created"] = json!(created);
    event
}

async fn cast_doubt(server: &Server, subscription: &Value) {
    let created = jiff::Timestamp::now().as_second();
    for (id, status) in [("evt_a", "incomplete"), ("evt_b", "unpaid")] {
        let event = doubtful(id, subscription, status, created);
        assert_eq!(server.outcome(&event).await, "applied");
    }
    assert_eq!(record(server).await["subscriptions"][0]["in_doubt"], true);
    assert_eq!(record(server).await["access"]["open"], false);
}

async fn record(server: &Server) -> Value {
    read(server, "/api/v1/billing/customers/jenny").await
}

async fn assert_open_and_sure(shop: &Shop, server: &Server) {
    within(PATIENCE, "jenny has what she paid for", async || {
        let record = record(server).await;
        record["access"]["open"] == true && record["subscriptions"][0]["in_doubt"] == false
    })
    .await;
    shop.assert_mirrored("jenny", "pro/active").await;
    within(PATIENCE, "nothing waits", async || {
        server.metric("billing_refresh_waiting").await == Some(0.0)
    })
    .await;
}

#[tokio::test]
async fn what_nobody_can_tell_is_asked_of_stripe_o4() {
    let shop = Shop::open().await;
    let (server, subscription) = unheard(&shop).await;
    let calls = shop.calls().len();
    cast_doubt(&server, &subscription).await;
    assert_open_and_sure(&shop, &server).await;
    // The invoice that had been open when it was last seen is asked for as well, or came along.
    let asked: Vec<_> = shop.calls()[calls..]
        .iter()
        .map(|call| call.path.clone())
        .collect();
    let id = subscription["id"].as_str().unwrap();
    assert!(
        asked.contains(&format!("/v1/subscriptions/{id}")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn doubt_outlasts_a_stripe_that_is_silent_and_a_server_that_dies_o4() {
    let shop = Shop::open().await;
    let (server, subscription) = unheard(&shop).await;
    let path = "/v1/subscriptions/*";
    shop.stripe
        .inject(Failure::new("GET", path, FailureKind::Html).times(8));
    cast_doubt(&server, &subscription).await;
    within(PATIENCE, "Stripe was asked in vain", async || {
        server
            .metric(r#"billing_refreshes_total{result="failed"}"#)
            .await
            >= Some(1.0)
    })
    .await;
    assert_eq!(record(&server).await["subscriptions"][0]["in_doubt"], true);
    server.kill().await;
    let server = shop.installation.serve().await;
    assert_open_and_sure(&shop, &server).await;
}

#[tokio::test]
async fn an_object_whose_event_can_t_be_read_is_asked_of_stripe_e3() {
    let shop = Shop::open().await;
    let (server, mut subscription) = unheard(&shop).await;
    subscription["items"] = json!("none");
    let unreadable = event("evt_a", "customer.subscription.updated", subscription);
    assert_eq!(server.outcome(&unreadable).await, "quarantined");
    assert_open_and_sure(&shop, &server).await;
}
