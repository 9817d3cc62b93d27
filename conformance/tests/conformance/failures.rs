//! Failures on purpose, and the log of requests.

use std::time::Duration;

use conformance::driver::API_KEY;
use conformance::simulator::{Failure, FailureKind, SimulatorConfig, When};
use serde_json::Value;

use crate::client::TestStripe;

const CUSTOMERS: &str = "/v1/customers";
/// After so long a caller hangs up.
const PATIENCE: Duration = Duration::from_millis(300);

/// A POST under an idempotency key.
fn request(stripe: &TestStripe, key: &str) -> reqwest::RequestBuilder {
    stripe
        .http
        .post(stripe.url(CUSTOMERS))
        .bearer_auth(API_KEY)
        .header("Idempotency-Key", key)
        .form(&[("name", "Ada")])
}

async fn post(stripe: &TestStripe, key: &str) -> reqwest::Result<reqwest::Response> {
    request(stripe, key).send().await
}

fn made(stripe: &TestStripe) -> usize {
    let events = stripe.simulator.events();
    events
        .iter()
        .filter(|event| event.event_type == "customer.created")
        .count()
}

fn replayed(response: &reqwest::Response) -> bool {
    response.headers().contains_key("Idempotent-Replayed")
}

#[tokio::test]
async fn the_log_shows_what_each_request_carried() {
    let stripe = TestStripe::start().await;
    let url = format!("{}?expand[]=nothing", stripe.url(CUSTOMERS));
    let sent = stripe
        .http
        .post(url)
        .header("Idempotency-Key", "key-1")
        .header("Stripe-Version", "2025-03-31.basil")
        .header("Stripe-Account", "acct_1")
        .form(&[("metadata[a]", "b"), ("name", "Ada")]);
    let (status, _) = stripe.send(sent).await;
    assert_eq!(status, 400);
    let requests = stripe.simulator.requests();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!((&*request.method, &*request.path), ("POST", CUSTOMERS));
    let names: Vec<_> = request.params.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["expand[]", "metadata[a]", "name"]);
    assert_eq!(request.param("metadata[a]"), Some("b"));
    assert_eq!(request.idempotency_key.as_deref(), Some("key-1"));
    assert_eq!(request.api_version.as_deref(), Some("2025-03-31.basil"));
    assert_eq!(request.account.as_deref(), Some("acct_1"));
    assert_eq!(request.status, Some(400));
}

#[tokio::test]
async fn a_request_without_an_answer_was_done_or_not_as_injected() {
    for kind in [FailureKind::Hang, FailureKind::Close] {
        for (when, expected) in [(When::BeforeEffect, 0), (When::AfterEffect, 1)] {
            let stripe = TestStripe::start().await;
            stripe
                .simulator
                .inject(Failure::new("POST", CUSTOMERS, kind(when)));
            let impatient = request(&stripe, "key-1").timeout(PATIENCE);
            let failed = impatient.send().await.unwrap_err();
            let hangs = kind(when) == FailureKind::Hang(when);
            assert_eq!(failed.is_timeout(), hangs, "{failed:?}");
            assert_eq!(made(&stripe), expected, "{:?}", kind(when));
            assert_eq!(stripe.simulator.requests()[0].status, None);

            let again = post(&stripe, "key-1").await.unwrap();
            assert_eq!(again.status(), 200);
            assert_eq!(replayed(&again), when == When::AfterEffect);
            assert_eq!(made(&stripe), 1);
        }
    }
}

#[tokio::test]
async fn a_server_error_after_the_effect_comes_again_under_its_key() {
    for status in [500, 503] {
        let stripe = TestStripe::start().await;
        let kind = |when| FailureKind::ServerError { status, when };
        let failure = Failure::new("POST", CUSTOMERS, kind(When::AfterEffect));
        stripe.simulator.inject(failure.should_retry(false));
        let failed = post(&stripe, "key-1").await.unwrap();
        assert_eq!(failed.status(), status);
        assert_eq!(failed.headers()["Stripe-Should-Retry"], "false");
        let again = post(&stripe, "key-1").await.unwrap();
        assert!(replayed(&again));
        assert_eq!(again.status(), status);
        let body: Value = again.json().await.unwrap();
        assert_eq!(body["error"]["type"], "api_error");
        assert_eq!(made(&stripe), 1);

        let failure = Failure::new("POST", CUSTOMERS, kind(When::BeforeEffect));
        stripe.simulator.inject(failure);
        assert_eq!(post(&stripe, "key-2").await.unwrap().status(), status);
        assert_eq!(made(&stripe), 1);
        let again = post(&stripe, "key-2").await.unwrap();
        assert_eq!((again.status().as_u16(), replayed(&again)), (200, false));
    }
}

#[tokio::test]
async fn refusals_are_not_kept_under_the_key() {
    let stripe = TestStripe::start().await;
    let cases = [
        (
            FailureKind::LockTimeout { status: 409 },
            409,
            "lock_timeout",
        ),
        (
            FailureKind::LockTimeout { status: 429 },
            429,
            "lock_timeout",
        ),
        (FailureKind::KeyInUse, 409, "idempotency_key_in_use"),
        (
            FailureKind::RateLimited {
                retry_after_seconds: Some(3),
            },
            429,
            "rate_limit",
        ),
    ];
    for (at, (kind, status, code)) in cases.into_iter().enumerate() {
        let key = format!("key-{at}");
        let limited = matches!(kind, FailureKind::RateLimited { .. });
        let failure = Failure::new("*", "/v1/*", kind).should_retry(true);
        stripe.simulator.inject(failure);
        let refused = post(&stripe, &key).await.unwrap();
        assert_eq!(refused.status(), status);
        let headers = refused.headers();
        assert_eq!(headers["Stripe-Should-Retry"], "true");
        let retry_after = headers.get("Retry-After").map(|value| value == "3");
        assert_eq!(retry_after, limited.then_some(true));
        let body: Value = refused.json().await.unwrap();
        assert_eq!(body["error"]["code"], code);
        assert_eq!(made(&stripe), at);
        assert_eq!(post(&stripe, &key).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn answers_can_be_no_json_or_point_elsewhere() {
    let stripe = TestStripe::start().await;
    let truncated = Failure::new("POST", CUSTOMERS, FailureKind::TruncatedJson);
    stripe.simulator.inject(truncated);
    let cut = post(&stripe, "key-1").await.unwrap();
    assert_eq!(cut.status(), 200);
    let body = cut.text().await.unwrap();
    assert!(body.starts_with('{') && serde_json::from_str::<Value>(&body).is_err());
    assert_eq!(made(&stripe), 1);

    stripe
        .simulator
        .inject(Failure::new("POST", CUSTOMERS, FailureKind::Html));
    let page = post(&stripe, "key-2").await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html");
    let location = "http://127.0.0.1:9/elsewhere".to_owned();
    let redirect = FailureKind::Redirect {
        location: location.clone(),
    };
    stripe
        .simulator
        .inject(Failure::new("GET", CUSTOMERS, redirect));
    let curious = conformance::client::client().redirect(reqwest::redirect::Policy::none());
    let curious = curious.build().unwrap();
    let get = curious.get(stripe.url(CUSTOMERS)).bearer_auth(API_KEY);
    let elsewhere = get.send().await.unwrap();
    assert_eq!(elsewhere.status(), 302);
    assert_eq!(elsewhere.headers()["location"], location.as_str());
    assert_eq!(made(&stripe), 1);
}

#[tokio::test]
async fn a_second_request_with_the_key_of_one_in_flight_is_409() {
    let latency = Duration::from_millis(400)..=Duration::from_millis(400);
    let stripe = TestStripe::start_with(SimulatorConfig {
        latency,
        ..Default::default()
    })
    .await;
    let (first, second, other) = tokio::join!(
        post(&stripe, "key-1"),
        post(&stripe, "key-1"),
        post(&stripe, "key-2")
    );
    let mut statuses = [first.unwrap(), second.unwrap()].map(|one| one.status().as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(other.unwrap().status(), 200);
    assert_eq!(made(&stripe), 2);
    assert!(replayed(&post(&stripe, "key-1").await.unwrap()));
}

#[tokio::test]
async fn a_request_is_carried_out_though_its_caller_hung_up() {
    let latency = Duration::from_secs(1)..=Duration::from_secs(1);
    let stripe = TestStripe::start_with(SimulatorConfig {
        latency,
        ..Default::default()
    })
    .await;
    let impatient = request(&stripe, "key-1").timeout(PATIENCE);
    assert!(impatient.send().await.unwrap_err().is_timeout());
    assert_eq!(made(&stripe), 0);
    while made(&stripe) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(replayed(&post(&stripe, "key-1").await.unwrap()));
}

#[tokio::test]
async fn past_the_limit_requests_are_429() {
    let stripe = TestStripe::start_with(SimulatorConfig {
        requests_per_second: Some(1),
        ..Default::default()
    })
    .await;
    let (first, second) = tokio::join!(post(&stripe, "key-1"), post(&stripe, "key-2"));
    let mut statuses = [first.unwrap(), second.unwrap()].map(|one| one.status().as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 429]);
    assert_eq!(made(&stripe), 1);
}

#[tokio::test]
async fn a_shutdown_ends_what_hangs() {
    let stripe = TestStripe::start().await;
    let hang = FailureKind::Hang(When::BeforeEffect);
    stripe
        .simulator
        .inject(Failure::new("POST", CUSTOMERS, hang));
    let caller = tokio::spawn(request(&stripe, "key-1").send());
    while stripe.simulator.requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let began = std::time::Instant::now();
    stripe.simulator.shutdown().await;
    assert!(caller.await.unwrap().is_err());
    assert!(began.elapsed() < Duration::from_secs(1), "no grace needed");
}

#[tokio::test]
async fn in_live_mode_keys_objects_and_events_are_live() {
    let stripe = TestStripe::start_with(SimulatorConfig {
        livemode: true,
        ..Default::default()
    })
    .await;
    let post = |key: &str| {
        let request = stripe.http.post(stripe.url(CUSTOMERS)).bearer_auth(key);
        request.form(&[("metadata[livemode]", "false")]).send()
    };
    assert_eq!(post("sk_test_1").await.unwrap().status(), 401);
    for key in ["sk_live_1", "rk_live_1"] {
        let customer: Value = post(key).await.unwrap().json().await.unwrap();
        assert_eq!(customer["livemode"], true);
        assert_eq!(customer["metadata"]["livemode"], "false");
    }
    let params = [
        ("currency", "usd"),
        ("unit_amount", "100"),
        ("product_data[name]", "Pro"),
    ];
    let live = |path: &str| stripe.http.post(stripe.url(path)).bearer_auth("sk_live_1");
    let price = live("/v1/prices").form(&params).send().await.unwrap();
    let price: Value = price.json().await.unwrap();
    let params = [
        ("mode", "payment"),
        ("line_items[0][price]", price["id"].as_str().unwrap()),
    ];
    let session = live("/v1/checkout/sessions").form(&params).send().await;
    let session: Value = session.unwrap().json().await.unwrap();
    assert!(session["id"].as_str().unwrap().starts_with("cs_live_"));
    for event in stripe.simulator.events() {
        assert_eq!(event.body["livemode"], true);
        assert_eq!(event.body["data"]["object"]["livemode"], true);
    }
}
