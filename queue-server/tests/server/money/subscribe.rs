//! `POST /api/v1/billing/subscribe` (B1).

use conformance::simulator::{Failure, FailureKind, When};
use reqwest::StatusCode;
use serde_json::json;

use super::{Customer, Shop};

#[tokio::test]
async fn a_customer_subscribes_pays_and_is_open_before_any_webhook_and_after() {
    let shop = Shop::open().await;
    // Nobody delivers webhooks yet.
    let server = shop.installation.serve().await;
    let jenny = Customer("jenny");
    jenny.sign_up(&server).await;
    shop.assert_mirrored("jenny", "free/none").await;
    let (status, subscribed) = jenny.subscribe(&server, "pro").await;
    assert_eq!(status, 200, "{subscribed}");
    shop.assert_mirrored("jenny", "pro/incomplete").await;
    let [subscription] = &shop.live_subscriptions().await[..] else {
        panic!("not one subscription");
    };
    assert_eq!(subscription["id"], subscribed["subscription_id"]);
    assert_eq!(subscription["metadata"]["queue_customer_id"], "jenny");
    assert_eq!(shop.pay(&subscribed, "pm_card_visa").await, StatusCode::OK);
    // Asking again finds the payment, and says that there is nothing to pay.
    let (status, problem) = jenny.subscribe(&server, "pro").await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (409, Some("SUBSCRIPTION_ALREADY_ACTIVE"))
    );
    shop.assert_mirrored("jenny", "pro/active").await;
    let me = jenny.me(&server).await;
    assert_eq!(
        (me["plan_tier"].as_str(), me["status"].as_str()),
        (Some("pro"), Some("active"))
    );
    assert!(me["current_period_end"].is_string(), "{me}");
    let opened = "select count(*) from billing_action_log where action = 'subscription.opened' and subject = 'jenny'";
    assert_eq!(shop.installation.count(opened).await, 1);
    shop.installation.assert_one_effect_each().await;
}

#[tokio::test]
async fn an_unpaid_subscription_is_resumed_and_not_made_again() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let jenny = Customer("jenny");
    let (_, first) = jenny.subscribe(&server, "pro").await;
    assert_eq!(
        shop.pay(&first, "pm_card_chargeDeclined").await,
        StatusCode::PAYMENT_REQUIRED
    );
    let (status, again) = jenny.subscribe(&server, "pro").await;
    assert_eq!((status, &again), (200, &first));
    assert_eq!(shop.live_subscriptions().await.len(), 1);
    assert_eq!(shop.pay(&again, "pm_card_visa").await, StatusCode::OK);
    shop.assert_mirrored("jenny", "pro/active").await;
    let (status, _) = jenny.subscribe(&server, "pro_plus").await;
    assert_eq!(status, 409);
}

#[tokio::test]
async fn who_chooses_another_plan_before_paying_can_pay_for_that_one_only() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let jenny = Customer("jenny");
    let (_, pro) = jenny.subscribe(&server, "pro").await;
    let (status, plus) = jenny.subscribe(&server, "pro_plus").await;
    assert_eq!(status, 200, "{plus}");
    assert_ne!(pro["subscription_id"], plus["subscription_id"]);
    assert_ne!(shop.pay(&pro, "pm_card_visa").await, StatusCode::OK);
    assert_eq!(shop.pay(&plus, "pm_card_visa").await, StatusCode::OK);
    shop.assert_mirrored("jenny", "pro_plus/active").await;
    assert_eq!(shop.live_subscriptions().await.len(), 1);
}

#[tokio::test]
async fn who_pays_while_choosing_another_plan_keeps_what_they_paid_for() {
    let shop = Shop::open().await;
    let server = shop.installation.serve().await;
    let jenny = Customer("jenny");
    let (_, pro) = jenny.subscribe(&server, "pro").await;
    assert_eq!(shop.pay(&pro, "pm_card_visa").await, StatusCode::OK);
    let (status, problem) = jenny.subscribe(&server, "pro_plus").await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (409, Some("SUBSCRIPTION_ALREADY_ACTIVE"))
    );
    shop.assert_mirrored("jenny", "pro/active").await;
    assert_eq!(shop.live_subscriptions().await.len(), 1);
}

#[tokio::test]
async fn who_cancelled_subscribes_again_also_where_the_event_was_lost() {
    let shop = Shop::open().await;
    let server = shop.installation.serve().await;
    let jenny = Customer("jenny");
    let (_, first) = jenny.subscribe(&server, "pro").await;
    shop.pay(&first, "pm_card_visa").await;
    jenny.subscribe(&server, "pro").await;
    shop.assert_mirrored("jenny", "pro/active").await;
    // Nobody hears of it.
    let id = first["subscription_id"].as_str().unwrap();
    let url = format!("{}/v1/subscriptions/{id}", shop.stripe.base_url());
    let cancel = server.client.delete(url).bearer_auth(super::KEY);
    assert_eq!(cancel.send().await.unwrap().status(), StatusCode::OK);
    let (status, second) = jenny.subscribe(&server, "pro").await;
    assert_eq!(status, 200, "{second}");
    assert_ne!(first["subscription_id"], second["subscription_id"]);
    shop.assert_mirrored("jenny", "pro/incomplete").await;
    let customers = shop.at_stripe("/v1/customers").await;
    assert_eq!(customers["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_older_shape_has_its_secret_elsewhere() {
    let version = "2024-06-20";
    let shop = Shop::open().await.with("STRIPE_API_VERSION", version);
    let server = shop.serve_in(version).await;
    let jenny = Customer("jenny");
    let (status, subscribed) = jenny.subscribe(&server, "pro").await;
    assert_eq!(status, 200, "{subscribed}");
    assert_eq!(shop.pay(&subscribed, "pm_card_visa").await, StatusCode::OK);
    shop.assert_mirrored("jenny", "pro/active").await;
    let pinned = |call: &conformance::simulator::ReceivedRequest| {
        call.api_version.as_deref() == Some(version)
    };
    assert!(shop.calls().iter().all(pinned));
}

#[tokio::test]
async fn a_payment_method_of_ones_own_is_used_and_another_customers_is_refused() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let body = |id: &str| json!({"plan_tier": "pro", "stripe_payment_method_id": id});
    let (status, subscribed) = Customer("jenny")
        .post(&server, "/subscribe", body("pm_card_visa"))
        .await;
    assert_eq!(status, 200, "{subscribed}");
    let [subscription] = &shop.live_subscriptions().await[..] else {
        panic!("not one subscription");
    };
    let hers = subscription["default_payment_method"].as_str().unwrap();
    let (status, problem) = Customer("mallory")
        .post(&server, "/subscribe", body(hers))
        .await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (422, Some("payment_method_refused"))
    );
    assert_eq!(shop.live_subscriptions().await.len(), 1);
    for odd in [
        "",
        "pm_",
        "card_1",
        "pm_1/../../customers",
        "pm_1?x",
        7.to_string().as_str(),
    ] {
        let before = shop.calls().len();
        let (status, _) = Customer("mallory")
            .post(&server, "/subscribe", body(odd))
            .await;
        assert_eq!((status, shop.calls().len()), (422, before), "{odd}");
    }
    // And with nothing said, or with a card that is theirs, it goes on.
    let (status, _) = Customer("mallory").subscribe(&server, "pro").await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_under_the_same_key() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    for (customer, kind) in [
        ("after", FailureKind::Hang(When::AfterEffect)),
        ("before", FailureKind::Hang(When::BeforeEffect)),
        ("closed", FailureKind::Close(When::AfterEffect)),
        ("cut", FailureKind::TruncatedJson),
        ("html", FailureKind::Html),
        ("busy", FailureKind::KeyInUse),
        ("locked", FailureKind::LockTimeout { status: 429 }),
    ] {
        shop.stripe
            .inject(Failure::new("POST", "/v1/subscriptions", kind.clone()));
        let (status, subscribed) = Customer(customer).subscribe(&server, "pro").await;
        assert_eq!(status, 200, "{kind:?}: {subscribed}");
    }
    assert_eq!(shop.live_subscriptions().await.len(), 7);
    let answers = shop.calls();
    let made = answers
        .iter()
        .filter(|call| call.method == "POST" && call.path == "/v1/subscriptions");
    let keys: Vec<_> = made
        .map(|call| call.idempotency_key.clone().unwrap())
        .collect();
    assert_eq!(keys.len(), 14);
    for pair in keys.chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
}

#[tokio::test]
async fn while_stripe_is_down_it_is_503_and_the_claim_waits() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let down = FailureKind::ServerError {
        status: 503,
        when: When::BeforeEffect,
    };
    let failure = Failure::new("POST", "/v1/subscriptions", down);
    shop.stripe.inject(failure.times(100));
    let response = Customer("jenny")
        .try_post(&server, "/subscribe", json!({"plan_tier": "pro"}))
        .await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    let problem: serde_json::Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "stripe_unavailable");
    shop.stripe.clear_failures();
    let (status, _) = Customer("jenny").subscribe(&server, "pro").await;
    assert_eq!(status, 200);
    assert_eq!(shop.live_subscriptions().await.len(), 1);
}

#[tokio::test]
async fn what_was_made_behind_an_error_is_found_though_its_key_repeats_the_error() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let failed = FailureKind::ServerError {
        status: 500,
        when: When::AfterEffect,
    };
    for path in ["/v1/customers", "/v1/subscriptions"] {
        shop.stripe
            .inject(Failure::new("POST", path, failed.clone()));
    }
    // The customer was made, and nobody can tell which it is: another one is made under another key.
    let (status, problem) = Customer("jenny").subscribe(&server, "pro").await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (503, Some("stripe_key_spent"))
    );
    let (status, subscribed) = Customer("jenny").subscribe(&server, "pro").await;
    assert_eq!(status, 200, "{subscribed}");
    let [subscription] = &shop.live_subscriptions().await[..] else {
        panic!("not one subscription");
    };
    assert_eq!(subscription["id"], subscribed["subscription_id"]);
}
