//! Calls that are still at Stripe when another one gives their claim up (B1).

use std::time::Duration;

use conformance::simulator::{Failure, FailureKind, When};
use reqwest::StatusCode;
use serde_json::json;

use super::{Customer, Shop};
use crate::support::TOKEN;

/// B1: a call that is still at Stripe when another one gives its claim up (its key is about to be forgotten) must not
/// leave a second subscription that can be paid.
#[tokio::test]
async fn a_call_that_outlives_its_claim_leaves_nothing_to_pay() {
    const FORGOTTEN: i64 = 23 * 3600;
    let shop = Shop::open().await;
    let offset = shop.installation.path("offset");
    let set = |seconds: i64| std::fs::write(&offset, seconds.to_string()).unwrap();
    set(0);
    let shop = shop.with("QUEUE_CLOCK_OFFSET", offset.to_str().unwrap());
    let server = shop.installation.serve().await;
    let jenny = Customer("jenny");
    let failure = |kind| Failure::new("POST", "/v1/subscriptions", kind);
    // The claim is made, and the account, and no subscription.
    shop.stripe
        .inject(failure(FailureKind::Close(When::BeforeEffect)).times(3));
    assert_eq!(jenny.subscribe(&server, "pro").await.0, 503);
    set(FORGOTTEN - 60);
    shop.stripe
        .inject(failure(FailureKind::Hang(When::BeforeEffect)));
    let before = shop.calls().len();
    let early = jenny.subscribe(&server, "pro");
    let late = async {
        let asks = |shop: &Shop| {
            let calls = shop.calls().split_off(before);
            calls
                .iter()
                .any(|it| it.method == "POST" && it.path == "/v1/subscriptions")
        };
        while !asks(&shop) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        set(FORGOTTEN + 60);
        jenny.subscribe(&server, "pro").await
    };
    let (early, late) = tokio::join!(early, late);
    let mut paid = Vec::new();
    for (status, answer) in [&early, &late] {
        if *status == 200 && shop.pay(answer, "pm_card_visa").await == StatusCode::OK {
            paid.push(answer["subscription_id"].clone());
        }
    }
    let live = shop.live_subscriptions().await;
    let charged = live.iter().filter(|it| it["status"] == "active").count();
    assert!(
        charged <= 1,
        "charged {charged} times: {early:?} {late:?}, paid {paid:?}"
    );
}

/// The same on Stripe's page.
#[tokio::test]
async fn a_checkout_that_outlives_its_claim_leaves_nothing_to_pay() {
    const FORGOTTEN: i64 = 23 * 3600;
    let shop = Shop::open().await;
    let offset = shop.installation.path("offset");
    let set = |seconds: i64| std::fs::write(&offset, seconds.to_string()).unwrap();
    set(0);
    let shop = shop.with("QUEUE_CLOCK_OFFSET", offset.to_str().unwrap());
    let server = shop.installation.serve().await;
    let path = "/v1/checkout/sessions";
    let failure = |kind| Failure::new("POST", path, kind);
    let origin = super::ORIGIN;
    let body = json!({"plan_tier": "pro", "success_url": origin, "cancel_url": origin});
    let ask = async || {
        Customer("jenny")
            .post(&server, "/checkout", body.clone())
            .await
    };
    shop.stripe
        .inject(failure(FailureKind::Close(When::BeforeEffect)).times(3));
    assert_eq!(ask().await.0, 503);
    set(FORGOTTEN - 60);
    shop.stripe
        .inject(failure(FailureKind::Hang(When::BeforeEffect)));
    let before = shop.calls().len();
    let late = async {
        let asks = |shop: &Shop| {
            let calls = shop.calls().split_off(before);
            calls
                .iter()
                .any(|it| it.method == "POST" && it.path == path)
        };
        while !asks(&shop) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        set(FORGOTTEN + 60);
        ask().await
    };
    let (early, late) = tokio::join!(ask(), late);
    for (_, answer) in [&early, &late] {
        if let Some(url) = answer["url"].as_str() {
            let card = [("card", "pm_card_visa")];
            drop(server.client.post(url).form(&card).send().await);
        }
    }
    let live = shop.live_subscriptions().await;
    let charged = live.iter().filter(|it| it["status"] == "active").count();
    assert!(charged <= 1, "charged {charged} times: {early:?} {late:?}");
}

/// Death between any two steps of a checkout leaves one session that can be paid.
#[tokio::test]
async fn a_server_that_dies_between_any_two_steps_of_a_checkout_leaves_one_page_to_pay_on() {
    let points = [
        "claimed",
        "customer_made",
        "customer_noted",
        "session_made",
        "session_noted",
    ];
    for point in points {
        let shop = Shop::open().await.with("QUEUE_ABORT_AT", point);
        let dying = shop.installation.serve().await;
        let origin = super::ORIGIN;
        let body = json!({"plan_tier": "pro", "success_url": origin, "cancel_url": origin});
        let url = dying.url("/api/v1/billing/checkout");
        let request = dying.client.post(url).bearer_auth(TOKEN).json(&body);
        let answer = request.header("x-queue-customer-id", "jenny").send().await;
        assert!(answer.is_err(), "{point}");
        let shop = Shop {
            installation: shop.installation.without("QUEUE_ABORT_AT"),
            ..shop
        };
        let server = shop.serve().await;
        let (status, opened) = Customer("jenny").post(&server, "/checkout", body).await;
        assert_eq!(status, 200, "{point}: {opened}");
        let sessions = shop.at_stripe("/v1/checkout/sessions?limit=100").await;
        let sessions = sessions["data"].as_array().unwrap();
        let open = sessions.iter().filter(|it| it["status"] == "open");
        let ids: Vec<_> = open.map(|it| &it["id"]).collect();
        assert_eq!(ids, [&opened["session_id"]], "{point}");
        shop.installation.assert_one_effect_each().await;
    }
}
