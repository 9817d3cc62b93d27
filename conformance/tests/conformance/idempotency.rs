//! `Idempotency-Key`

use serde_json::Value;

use crate::client::TestStripe;
use conformance::driver::API_KEY;

async fn post(stripe: &TestStripe, key: &str, params: &[(&str, &str)]) -> (u16, bool, Value) {
    let request = stripe
        .http
        .post(stripe.url("/v1/customers"))
        .bearer_auth(API_KEY);
    let response = request
        .header("Idempotency-Key", key)
        .form(params)
        .send()
        .await
        .unwrap();
    let replayed = response.headers().contains_key("Idempotent-Replayed");
    (
        response.status().as_u16(),
        replayed,
        response.json().await.unwrap(),
    )
}

#[tokio::test]
async fn the_same_key_and_parameters_are_answered_from_memory() {
    let stripe = TestStripe::start().await;
    let params = [("name", "Ada"), ("email", "ada@example.com")];
    let (_, first_replayed, first) = post(&stripe, "key-1", &params).await;
    let swapped = [params[1], params[0]];
    let (status, replayed, second) = post(&stripe, "key-1", &swapped).await;
    assert_eq!((status, first_replayed, replayed), (200, false, true));
    assert_eq!(first, second);
    let event = stripe.only_event("customer.created");
    assert_eq!(event.body["request"]["idempotency_key"], "key-1");
}

#[tokio::test]
async fn the_same_key_with_other_parameters_is_an_idempotency_error() {
    let stripe = TestStripe::start().await;
    post(&stripe, "key-1", &[("name", "Ada")]).await;
    let (status, _, body) = post(&stripe, "key-1", &[("name", "Grace")]).await;
    assert_eq!(status, 400);
    assert_eq!(body["error"]["type"], "idempotency_error");
    assert_eq!(stripe.event_count(), 1);
}

#[tokio::test]
async fn a_refused_request_may_be_corrected_under_its_key() {
    let stripe = TestStripe::start().await;
    let (status, _, _) = post(&stripe, "key-1", &[("colour", "red")]).await;
    assert_eq!(status, 400);
    let (status, replayed, _) = post(&stripe, "key-1", &[("name", "Ada")]).await;
    assert_eq!((status, replayed), (200, false));
}
