//! Many calls at once, failures, and deaths between any two steps: one subscription (B1).

use std::ops::RangeInclusive;
use std::time::Duration;

use conformance::simulator::{Failure, FailureKind, SimulatorConfig, When};
use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Customer, Shop};
use crate::support::{Server, TOKEN, eventually};

/// Between which steps the process dies.
const POINTS: [&str; 7] = [
    "claimed",
    "customer_made",
    "customer_noted",
    "subscription_made",
    "subscription_noted",
    "synced",
    "after_commit",
];

/// Asks until it is answered, as a page would: some calls meet a server that is dying.
async fn ask(server: &Server, customer: &str) -> Option<(u16, Value)> {
    let request = server
        .client
        .post(server.url("/api/v1/billing/subscribe"))
        .bearer_auth(TOKEN)
        .header("x-queue-customer-id", customer)
        .json(&json!({"plan_tier": "pro"}));
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    Some((status, response.json().await.ok()?))
}

fn failures() -> Vec<Failure> {
    let of = |path: &str, kind: FailureKind, skip: u32| Failure::new("POST", path, kind).skip(skip);
    vec![
        of("/v1/customers", FailureKind::Hang(When::AfterEffect), 0),
        of("/v1/customers", FailureKind::Close(When::BeforeEffect), 3),
        of("/v1/customers", FailureKind::KeyInUse, 5),
        of("/v1/subscriptions", FailureKind::Hang(When::AfterEffect), 0),
        of(
            "/v1/subscriptions",
            FailureKind::Hang(When::BeforeEffect),
            2,
        ),
        of(
            "/v1/subscriptions",
            FailureKind::Close(When::AfterEffect),
            4,
        ),
        of("/v1/subscriptions", FailureKind::TruncatedJson, 6),
        of(
            "/v1/subscriptions",
            FailureKind::RateLimited {
                retry_after_seconds: Some(1),
            },
            8,
        ),
        Failure::new("GET", "/v1/subscriptions", FailureKind::Html)
            .skip(7)
            .times(2),
    ]
}

/// A Stripe that takes so many milliseconds for a call.
fn latency(milliseconds: RangeInclusive<u64>) -> SimulatorConfig {
    let (least, most) = milliseconds.into_inner();
    SimulatorConfig {
        latency: Duration::from_millis(least)..=Duration::from_millis(most),
        ..SimulatorConfig::default()
    }
}

/// Fifty calls for one customer at once, over two servers: what was answered.
async fn fifty(servers: &[Server; 2]) -> Vec<(u16, Value)> {
    let calls = (0..50).map(|number: usize| ask(&servers[number % 2], "jenny"));
    join_all(calls).await.into_iter().flatten().collect()
}

/// The subscription that every call was answered which was not asked to come again.
fn the_one_subscription(answers: &[(u16, Value)]) -> Value {
    let known = |status: u16| [200, 409, 503].contains(&status);
    assert!(
        answers.iter().all(|(status, _)| known(*status)),
        "{answers:?}"
    );
    let mut made = answers.iter().filter(|(status, _)| *status == 200);
    let (_, subscribed) = made.next().unwrap_or_else(|| panic!("{answers:?}"));
    assert!(made.all(|(_, other)| other == subscribed), "{answers:?}");
    subscribed.clone()
}

#[tokio::test]
async fn fifty_calls_over_two_servers_make_one_subscription() {
    let shop = Shop::open_with(latency(1..=40)).await;
    let servers = [shop.serve().await, shop.serve().await];
    for failure in failures() {
        shop.stripe.inject(failure);
    }
    let answers = fifty(&servers).await;
    let subscribed = the_one_subscription(&answers);
    let [subscription] = &shop.live_subscriptions().await[..] else {
        panic!("not one subscription");
    };
    assert_eq!(subscription["id"], subscribed["subscription_id"]);
    assert_eq!(shop.pay(&subscribed, "pm_card_visa").await, StatusCode::OK);
    shop.assert_mirrored("jenny", "pro/active").await;
    let after = join_all((0..20).map(|number: usize| ask(&servers[number % 2], "jenny"))).await;
    assert!(
        after.iter().flatten().all(|(status, _)| *status == 409),
        "{after:?}"
    );
    let opened = "select count(*) from billing_action_log where action = 'subscription.opened'";
    assert_eq!(shop.installation.count(opened).await, 1);
    shop.installation.assert_one_effect_each().await;
    let calls = shop.calls();
    let struck = calls.iter().filter(|call| call.status != Some(200));
    let struck = struck.count();
    assert!(struck >= 2, "only {struck} calls to Stripe failed");
    let made = answers.iter().filter(|(status, _)| *status == 200).count();
    eprintln!(
        "50 calls: {made} answered 200 with one subscription, {} asked to come again; {struck} of {} calls to Stripe failed",
        50 - made,
        calls.len()
    );
}

/// All at once in one test: fifty calls over two servers, calls to Stripe that fail before and after their effect, and
/// deaths between two steps; then the servers come back, the failures go on, and fifty more calls are made.
#[tokio::test]
async fn fifty_calls_with_failures_and_deaths_between_any_two_steps_make_one_subscription() {
    for point in POINTS {
        let shop = Shop::open_with(latency(1..=40)).await;
        let shop = shop.with("QUEUE_ABORT_AT", point);
        for failure in failures() {
            shop.stripe.inject(failure);
        }
        let dying = [
            shop.installation.serve().await,
            shop.installation.serve().await,
        ];
        let mut answers = fifty(&dying).await;
        assert!(answers.len() < 50, "{point}: nobody died");
        drop(dying);
        let shop = Shop {
            installation: shop.installation.without("QUEUE_ABORT_AT"),
            ..shop
        };
        let servers = [shop.serve().await, shop.serve().await];
        answers.extend(fifty(&servers).await);
        let subscribed = the_one_subscription(&answers);
        let [live] = &shop.live_subscriptions().await[..] else {
            panic!("{point}: not one subscription");
        };
        assert_eq!(live["id"], subscribed["subscription_id"], "{point}");
        let paid = shop.pay(&subscribed, "pm_card_visa").await;
        assert_eq!(paid, StatusCode::OK, "{point}");
        shop.assert_mirrored("jenny", "pro/active").await;
        let customers = shop.at_stripe("/v1/customers").await;
        assert_eq!(customers["data"].as_array().unwrap().len(), 1, "{point}");
        let calls = shop.calls();
        let struck = calls.iter().filter(|call| call.status != Some(200));
        assert!(struck.count() > 0, "{point}: no call to Stripe failed");
        shop.installation.assert_one_effect_each().await;
    }
}

#[tokio::test]
async fn a_claim_whose_key_stripe_has_forgotten_is_looked_after_and_made_anew() {
    for point in ["customer_noted", "subscription_made"] {
        let shop = Shop::open().await.with("QUEUE_ABORT_AT", point);
        let dying = shop.installation.serve().await;
        assert!(ask(&dying, "jenny").await.is_none());
        let clock = shop.installation.path("clock");
        std::fs::write(&clock, (24 * 3600).to_string()).unwrap();
        let shop = Shop {
            installation: shop
                .installation
                .without("QUEUE_ABORT_AT")
                .with("QUEUE_CLOCK_OFFSET", clock.to_str().unwrap()),
            ..shop
        };
        let server = shop.installation.serve().await;
        let (status, subscribed) = ask(&server, "jenny").await.unwrap();
        assert_eq!(status, 200, "{point}: {subscribed}");
        let [subscription] = &shop.live_subscriptions().await[..] else {
            panic!("{point}: not one subscription");
        };
        assert_eq!(subscription["id"], subscribed["subscription_id"]);
        let made = shop.calls().into_iter();
        let made = made.filter(|call| call.method == "POST" && call.path == "/v1/subscriptions");
        let keys: std::collections::BTreeSet<_> = made.map(|call| call.idempotency_key).collect();
        assert_eq!(keys.len(), if point == "customer_noted" { 1 } else { 2 });
    }
}

#[tokio::test]
async fn killed_at_random_under_load_each_customer_has_one_subscription() {
    const CUSTOMERS: usize = 12;
    let shop = Shop::open_with(latency(1..=30)).await;
    let steady = shop.serve().await;
    for round in 0..4_u64 {
        for failure in failures() {
            shop.stripe.inject(failure);
        }
        let dying = shop.installation.serve().await;
        let load = async {
            join_all((0..CUSTOMERS * 4).map(|number| {
                let server = if number % 2 == 0 { &steady } else { &dying };
                let customer = format!("c-{}", number % CUSTOMERS);
                async move { ask(server, &customer).await }
            }))
            .await
        };
        let death = async {
            tokio::time::sleep(Duration::from_millis(20 + round * 60)).await;
            tokio::process::Command::new("kill")
                .args(["-9", &dying.process_id()])
                .status()
                .await
                .unwrap();
        };
        tokio::join!(load, death);
        shop.stripe.clear_failures();
    }
    for number in 0..CUSTOMERS {
        let name = format!("c-{number}");
        let customer = Customer(&name);
        let (status, subscribed) = customer.subscribe(&steady, "pro").await;
        assert_eq!(status, 200, "{subscribed}");
        assert_eq!(shop.pay(&subscribed, "pm_card_visa").await, StatusCode::OK);
    }
    eventually("all are active", async || {
        let active = "select count(*) from billing_subscription_mirror where status = 'active'";
        shop.installation.count(active).await == CUSTOMERS as i64
    })
    .await;
    assert_eq!(shop.live_subscriptions().await.len(), CUSTOMERS);
    shop.installation.assert_one_effect_each().await;
}

#[tokio::test]
async fn while_billing_is_off_no_call_leaves() {
    let shop = Shop::open().await.with("FLAG_QUEUE_BILLING", "false");
    let server = shop.serve().await;
    let jenny = Customer("jenny");
    let origin = super::ORIGIN;
    for (path, body) in [
        ("/subscribe", json!({"plan_tier": "pro"})),
        (
            "/checkout",
            json!({"plan_tier": "pro", "success_url": origin, "cancel_url": origin}),
        ),
        ("/checkout/sync", json!({"session_id": "cs_1"})),
        ("/portal", json!({"return_url": origin})),
        ("/plan", json!({"plan_tier": "pro_plus"})),
    ] {
        let (status, problem) = jenny.post(&server, path, body).await;
        assert_eq!(
            (status, problem["code"].as_str()),
            (503, Some("billing_off")),
            "{path}"
        );
    }
    for path in ["/plans", "/me"] {
        let response = server.get(&format!("/api/v1/billing{path}")).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(shop.calls(), []);
}
