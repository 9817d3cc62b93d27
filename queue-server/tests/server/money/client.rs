//! The client of Stripe's API by itself: what it sends, what it tries again, what it says went wrong.

use std::time::{Duration, Instant};

use billing_core::id::{ClaimId, CustomerId, PriceId};
use conformance::simulator::{Failure, FailureKind, Simulator, SimulatorConfig, When};
use queue_server::stripe::{Key, Pace, Stripe, StripeConfig, StripeError};
use reqwest::Url;
use reqwest::header::HeaderValue;

const CLAIM: &str = "0123456789abcdef0123456789abcdef";

struct Caller {
    simulator: Simulator,
    stripe: Stripe,
}

impl Caller {
    async fn start() -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
        let stripe = Stripe::new(config(&simulator.base_url(), "rk_test_client")).unwrap();
        Self { simulator, stripe }
    }

    /// Makes a customer, always under the same key.
    async fn create(&self) -> Result<String, StripeError> {
        let customer = CustomerId::parse("jenny").unwrap();
        let key = Key::of_claim(&ClaimId::parse(CLAIM).unwrap(), "customer");
        let made = self.stripe.create_customer(&customer, key).await?;
        Ok(made.object.id.to_string())
    }

    fn fails(&self, kind: FailureKind) -> Failure {
        Failure::new("POST", "/v1/customers", kind)
    }

    fn tries(&self) -> usize {
        self.simulator.requests().len()
    }
}

fn config(base: &str, key: &str) -> StripeConfig {
    StripeConfig {
        base: Url::parse(base).unwrap(),
        key: HeaderValue::from_str(&format!("Bearer {key}")).unwrap(),
        version: "2025-03-31.basil".to_owned(),
        timeout: Duration::from_millis(300),
        pace: Pace {
            tries: 3,
            first: Duration::from_millis(20),
            longest: Duration::from_secs(2),
        },
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again_under_the_same_key() {
    for kind in [
        FailureKind::Hang(When::BeforeEffect),
        FailureKind::Hang(When::AfterEffect),
        FailureKind::Close(When::BeforeEffect),
        FailureKind::Close(When::AfterEffect),
        FailureKind::LockTimeout { status: 409 },
        FailureKind::LockTimeout { status: 429 },
        FailureKind::KeyInUse,
        FailureKind::RateLimited {
            retry_after_seconds: None,
        },
        FailureKind::ServerError {
            status: 500,
            when: When::BeforeEffect,
        },
        FailureKind::ServerError {
            status: 503,
            when: When::BeforeEffect,
        },
        FailureKind::TruncatedJson,
        FailureKind::Html,
    ] {
        let caller = Caller::start().await;
        caller.simulator.inject(caller.fails(kind.clone()));
        let made = caller.create().await;
        assert!(made.is_ok(), "{kind:?}: {made:?}");
        let requests = caller.simulator.requests();
        assert_eq!(requests.len(), 2, "{kind:?}");
        for request in &requests {
            let key = format!("queue-{CLAIM}-customer");
            assert_eq!(request.idempotency_key.as_deref(), Some(key.as_str()));
            assert_eq!(request.api_version.as_deref(), Some("2025-03-31.basil"));
            assert_eq!(request.param("metadata[queue_customer_id]"), Some("jenny"));
        }
        // Once more is the same customer.
        assert_eq!(caller.create().await, made);
    }
}

#[tokio::test]
async fn what_will_not_pass_is_not_tried_again() {
    let caller = Caller::start().await;
    let elsewhere = FailureKind::Redirect {
        location: format!("{}/v1/customers", caller.simulator.base_url()),
    };
    caller.simulator.inject(caller.fails(elsewhere));
    assert_eq!(caller.create().await, Err(StripeError::Redirected));
    assert_eq!(caller.tries(), 1);
    let missing = caller
        .stripe
        .price(&PriceId::parse("price_none").unwrap())
        .await;
    assert_eq!(missing.unwrap_err(), StripeError::Missing);
    assert_eq!(caller.tries(), 2);
    let wrong = Stripe::new(config(&caller.simulator.base_url(), "nobodys_key")).unwrap();
    let refused = wrong.price(&PriceId::parse("price_none").unwrap()).await;
    assert_eq!(refused.unwrap_err(), StripeError::Unauthenticated);
    assert_eq!(caller.tries(), 3);
}

#[tokio::test]
async fn stripe_says_whether_and_when_to_try_again() {
    let caller = Caller::start().await;
    let server_error = FailureKind::ServerError {
        status: 503,
        when: When::BeforeEffect,
    };
    caller
        .simulator
        .inject(caller.fails(server_error).should_retry(false));
    assert_eq!(caller.create().await, Err(StripeError::Unavailable));
    assert_eq!(caller.tries(), 1);

    let caller = Caller::start().await;
    let soon = FailureKind::RateLimited {
        retry_after_seconds: Some(1),
    };
    caller.simulator.inject(caller.fails(soon));
    let began = Instant::now();
    assert!(caller.create().await.is_ok());
    assert!(began.elapsed() >= Duration::from_secs(1));

    let caller = Caller::start().await;
    let later = FailureKind::RateLimited {
        retry_after_seconds: Some(60),
    };
    caller.simulator.inject(caller.fails(later));
    assert_eq!(caller.create().await, Err(StripeError::RateLimited));
    assert_eq!(caller.tries(), 1);
}

#[tokio::test]
async fn tries_are_bounded() {
    for (kind, error) in [
        (FailureKind::Hang(When::BeforeEffect), StripeError::TimedOut),
        (
            FailureKind::Close(When::BeforeEffect),
            StripeError::BrokeOff,
        ),
        (FailureKind::Html, StripeError::Unreadable),
        (FailureKind::KeyInUse, StripeError::Conflict),
    ] {
        let caller = Caller::start().await;
        caller.simulator.inject(caller.fails(kind).times(100));
        assert_eq!(caller.create().await, Err(error));
        assert_eq!(caller.tries(), 3);
    }
    let gone = Stripe::new(config("http://127.0.0.1:9", "rk_test_client")).unwrap();
    let refused = gone.price(&PriceId::parse("price_1").unwrap()).await;
    assert_eq!(refused.unwrap_err(), StripeError::NotReached);
}

#[tokio::test]
async fn an_answer_that_is_told_again_is_known_as_one() {
    let caller = Caller::start().await;
    let customer = CustomerId::parse("jenny").unwrap();
    let key = Key::of_claim(&ClaimId::parse(CLAIM).unwrap(), "customer");
    let first = caller
        .stripe
        .create_customer(&customer, key.clone())
        .await
        .unwrap();
    assert!(!first.is_replayed() && first.snapshot().is_ok());
    let again = caller
        .stripe
        .create_customer(&customer, key.clone())
        .await
        .unwrap();
    // It tells what was then: nothing to learn from.
    assert!(again.is_replayed() && again.snapshot().is_err());
    let other = CustomerId::parse("mallory").unwrap();
    let reused = caller.stripe.create_customer(&other, key).await;
    assert_eq!(reused.unwrap_err(), StripeError::KeyReused);
}
