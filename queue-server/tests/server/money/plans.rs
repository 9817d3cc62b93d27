//! `GET /api/v1/billing/plans` (B3).

use conformance::simulator::{Failure, FailureKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Shop;
use crate::support::Installation;

#[tokio::test]
async fn plans_show_what_stripe_charges_and_ask_for_it_once() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    for _ in 0..3 {
        let response = server.get("/api/v1/billing/plans").await;
        assert_eq!(response.status(), StatusCode::OK);
        let shown: Value = response.json().await.unwrap();
        let plan = |tier: &str, amount: i64| {
            json!({"plan_tier": tier, "unit_amount": amount, "currency": "usd",
                   "interval": "month", "interval_count": 1})
        };
        let free = json!({"plan_tier": "free", "unit_amount": 0, "currency": null,
                          "interval": null, "interval_count": null});
        assert_eq!(
            shown,
            json!({"publishable_key": "pk_test_of_the_tests",
                   "plans": [free, plan("pro", 2900), plan("pro_plus", 7900)]})
        );
    }
    assert_eq!(shop.calls().len(), 2);
}

#[tokio::test]
async fn while_stripe_is_down_and_nothing_is_known_it_is_503() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let limited = FailureKind::RateLimited {
        retry_after_seconds: Some(60),
    };
    shop.stripe
        .inject(Failure::new("GET", "/v1/prices/*", limited).times(1));
    let response = server.get("/api/v1/billing/plans").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "stripe_rate_limited");
    // Nobody waits a minute for an answer, and nobody asks again at once.
    let again = server.get("/api/v1/billing/plans").await;
    assert_eq!(again.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(shop.calls().len(), 1);
    crate::support::eventually("it is asked again", async || {
        server.get("/api/v1/billing/plans").await.status() == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn a_server_without_a_key_says_so_and_serves_all_else() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let response = server.get("/api/v1/billing/plans").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "stripe_not_configured");
    let (status, problem) = super::Customer("jenny").subscribe(&server, "pro").await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (503, Some("stripe_not_configured"))
    );
    let me = super::Customer("jenny").me(&server).await;
    assert_eq!(me["status"], "none");
}
