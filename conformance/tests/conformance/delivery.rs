//! Webhooks: signatures, order, retries, and the log of attempts.

use std::time::Duration;

use conformance::simulator::{DeliveryPolicy, Endpoint, SimulatorConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::client::{TestStripe, id};
use crate::receiver::{Received, Receiver};

const SECRET: &str = "whsec_test_secret";

async fn with_policy(policy: DeliveryPolicy) -> TestStripe {
    let config = SimulatorConfig {
        delivery: policy,
        ..Default::default()
    };
    TestStripe::start_with(config).await
}

fn quick() -> DeliveryPolicy {
    DeliveryPolicy {
        first_retry: Duration::from_millis(30),
        max_attempts: 4,
        ..Default::default()
    }
}

/// The parts of a `Stripe-Signature` header: `t` and `v1`.
fn parts(received: &Received) -> (i64, String) {
    let (time, signature) = received
        .header("stripe-signature")
        .split_once(",v1=")
        .unwrap();
    (
        time.strip_prefix("t=").unwrap().parse().unwrap(),
        signature.to_owned(),
    )
}

fn is_signed(received: &Received, secret: &str) -> bool {
    let (time, signature) = parts(received);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(time.to_string().as_bytes());
    mac.update(b".");
    mac.update(&received.body);
    mac.verify_slice(&hex::decode(signature).unwrap()).is_ok()
}

#[tokio::test]
async fn a_webhook_is_signed_over_its_time_and_its_exact_body() {
    let stripe = TestStripe::start().await;
    let receiver = Receiver::answering(&[]).await;
    stripe
        .simulator
        .add_endpoint(Endpoint::new(&receiver.url, SECRET));
    stripe.post("/v1/customers", &[("name", "Ödön")]).await;
    stripe.simulator.settled().await;
    let received = receiver.received();
    assert_eq!(received.len(), 1);
    assert!(is_signed(&received[0], SECRET));
    assert!(!is_signed(&received[0], "whsec_other"));
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    assert!(parts(&received[0]).0.abs_diff(now.as_secs().cast_signed()) < 60);
    assert_eq!(
        received[0].header("content-type"),
        "application/json; charset=utf-8"
    );
    assert!(received[0].header("user-agent").starts_with("Stripe/1.0 ("));
    assert!(received[0].body.starts_with(b"{\n  \"id\": \"evt_"));
}

#[tokio::test]
async fn what_is_not_acknowledged_is_sent_again_with_the_same_body_and_a_new_signature() {
    let stripe = with_policy(DeliveryPolicy {
        first_retry: Duration::from_millis(1100),
        ..quick()
    })
    .await;
    let receiver = Receiver::answering(&[500]).await;
    stripe
        .simulator
        .add_endpoint(Endpoint::new(&receiver.url, SECRET));
    stripe.post("/v1/customers", &[]).await;
    stripe.simulator.settled().await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].body, received[1].body);
    assert!(
        parts(&received[1]).0 > parts(&received[0]).0,
        "a fresh timestamp"
    );
    assert!(received.iter().all(|received| is_signed(received, SECRET)));
}

#[tokio::test]
async fn the_log_has_every_attempt_and_its_outcome() {
    let stripe = with_policy(quick()).await;
    let receiver = Receiver::answering(&[503, 302, 204]).await;
    stripe
        .simulator
        .add_endpoint(Endpoint::new(&receiver.url, SECRET));
    let customer = id(&stripe.post("/v1/customers", &[]).await);
    let event = stripe.only_event("customer.created");
    assert_eq!(stripe.simulator.events()[0].body["pending_webhooks"], 1);
    stripe.simulator.settled().await;
    let log = stripe.simulator.deliveries();
    let outcomes: Vec<_> = log
        .iter()
        .map(|delivery| (delivery.attempt, delivery.outcome.clone()))
        .collect();
    assert_eq!(outcomes, [(1, Ok(503)), (2, Ok(302)), (3, Ok(204))]);
    for delivery in &log {
        assert_eq!(
            (&delivery.event_id, &delivery.object_id),
            (&event.id, &customer)
        );
        assert_eq!(delivery.event_type, "customer.created");
        assert_eq!(delivery.event_created, event.created);
        assert_eq!(delivery.customer_id.as_ref(), Some(&customer));
        assert_eq!(delivery.endpoint_url, receiver.url);
    }
    assert_eq!(log[0].response_body, "as told");
    assert_eq!(stripe.simulator.events()[0].body["pending_webhooks"], 0);
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_a_transport_error_and_given_up_in_the_end() {
    let stripe = with_policy(quick()).await;
    stripe
        .simulator
        .add_endpoint(Endpoint::new("http://127.0.0.1:1/", SECRET));
    stripe.post("/v1/customers", &[]).await;
    stripe.simulator.settled().await;
    let log = stripe.simulator.deliveries();
    assert_eq!(log.len(), 4);
    assert!(
        log.iter()
            .all(|delivery| delivery.outcome.is_err() && !delivery.is_acknowledged())
    );
}

#[tokio::test]
async fn a_stuck_event_lets_the_later_ones_pass() {
    let policy = DeliveryPolicy {
        first_retry: Duration::from_secs(60),
        longest_wait: Duration::from_secs(60),
        ..quick()
    };
    let stripe = with_policy(policy).await;
    let receiver = Receiver::answering(&[500]).await;
    stripe
        .simulator
        .add_endpoint(Endpoint::new(&receiver.url, SECRET));
    for name in ["first", "second", "third"] {
        stripe.post("/v1/customers", &[("name", name)]).await;
    }
    assert!(
        stripe
            .simulator
            .wait_until_idle(Duration::from_secs(10))
            .await
    );
    let names: Vec<_> = receiver
        .received()
        .iter()
        .map(|received| received.event()["data"]["object"]["name"].clone())
        .collect();
    assert_eq!(names, ["first", "second", "third"]);
    let settled =
        tokio::time::timeout(Duration::from_millis(100), stripe.simulator.settled()).await;
    assert!(
        settled.is_err(),
        "the first event still waits for its retry"
    );
    stripe.simulator.shutdown().await;
}

#[tokio::test]
async fn an_endpoint_can_be_added_listed_and_removed_over_the_api() {
    let stripe = with_policy(quick()).await;
    let receiver = Receiver::answering(&[]).await;
    let params = [
        ("url", receiver.url.as_str()),
        ("enabled_events[]", "customer.updated"),
        ("enabled_events[]", "invoice.*"),
        ("api_version", "2024-06-20"),
    ];
    let endpoint = stripe.post("/v1/webhook_endpoints", &params).await;
    let secret = endpoint["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    let listed = stripe.get("/v1/webhook_endpoints").await["data"][0].clone();
    assert_eq!(listed["id"], endpoint["id"]);
    assert!(listed.get("secret").is_none(), "a secret is shown once");

    let customer = id(&stripe.post("/v1/customers", &[]).await);
    let path = format!("/v1/customers/{customer}");
    stripe.post(&path, &[("name", "Ada")]).await;
    stripe.simulator.settled().await;
    let received = receiver.received();
    assert_eq!(received.len(), 1, "only what the endpoint asked for");
    assert_eq!(received[0].event()["type"], "customer.updated");
    assert_eq!(received[0].event()["api_version"], "2024-06-20");
    assert!(is_signed(&received[0], secret));

    stripe
        .delete(&format!("/v1/webhook_endpoints/{}", id(&endpoint)))
        .await;
    stripe.post(&path, &[("name", "Grace")]).await;
    stripe.simulator.settled().await;
    assert_eq!(receiver.received().len(), 1);
}
