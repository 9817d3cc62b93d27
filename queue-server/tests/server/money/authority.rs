//! Nobody acts for another, and nobody names a price (B2, B3).

use std::collections::BTreeMap;

use conformance::simulator::ReceivedRequest;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Customer, Shop};
use crate::support::{Server, TOKEN, eventually};

const PATHS: [(&str, &str); 5] = [
    ("/subscribe", r#"{"plan_tier": "pro"}"#),
    (
        "/checkout",
        r#"{"plan_tier": "pro", "success_url": "https://app.example.com/", "cancel_url": "https://app.example.com/"}"#,
    ),
    ("/checkout/sync", r#"{"session_id": "cs_test_1"}"#),
    ("/portal", r#"{"return_url": "https://app.example.com/"}"#),
    ("/plan", r#"{"plan_tier": "pro_plus"}"#),
];

fn body_of(path: &str) -> Value {
    let (_, body) = PATHS.iter().find(|(known, _)| *known == path).unwrap();
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn what_a_client_may_not_choose_is_refused_before_any_call() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let jenny = Customer("jenny");
    let forbidden = [
        "price",
        "price_id",
        "amount",
        "unit_amount",
        "currency",
        "quantity",
        "coupon",
        "discounts",
        "promotion_code",
        "trial",
        "trial_end",
        "trial_period_days",
        "customer",
        "customer_id",
        "stripe_customer_id",
        "queue_customer_id",
        "X-Queue-Customer-Id",
        "metadata",
        "items",
        "line_items",
        "configuration",
        "subscription_id",
        "Plan_Tier",
    ];
    for (path, _) in PATHS {
        for field in forbidden {
            let mut body = body_of(path);
            body[field] = json!("cus_1");
            let (status, problem) = jenny.post(&server, path, body).await;
            assert_eq!(
                (status, problem["code"].as_str()),
                (422, Some("body_invalid")),
                "{path} {field}"
            );
            let query = format!("{path}?{field}=1");
            let (status, _) = jenny.post(&server, &query, body_of(path)).await;
            assert_eq!(status, 400, "{query}");
        }
        for odd in [
            json!([]),
            json!(null),
            json!("pro"),
            json!({}),
            json!({"plan_tier": 7}),
        ] {
            let (status, _) = jenny.post(&server, path, odd.clone()).await;
            assert_eq!(status, 422, "{path} {odd}");
        }
    }
    for tier in ["free", "", "PRO", "pro ", "price_1", "enterprise"] {
        for path in ["/subscribe", "/checkout", "/plan"] {
            let mut body = body_of(path);
            body["plan_tier"] = json!(tier);
            let (status, problem) = jenny.post(&server, path, body).await;
            assert_eq!(
                (status, problem["code"].as_str()),
                (422, Some("plan_unknown")),
                "{path} {tier}"
            );
        }
    }
    let twice = server
        .client
        .post(server.url("/api/v1/billing/subscribe"))
        .bearer_auth(TOKEN)
        .header("x-queue-customer-id", "jenny")
        .body(r#"{"plan_tier": "pro", "plan_tier": "pro_plus"}"#);
    assert_eq!(
        twice.send().await.unwrap().status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(shop.calls(), []);
    assert_eq!(
        shop.installation
            .count("select count(*) from subscribe_claim")
            .await,
        0
    );
}

#[tokio::test]
async fn customers_are_sent_back_to_exact_origins_only() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let jenny = Customer("jenny");
    for url in [
        "//evil",
        "/billing",
        "javascript:alert(1)",
        "https://app.example.com.evil.com/",
        "https://app.example.com@evil/",
        "https://app.example.com:444/",
        "http://app.example.com/",
        "https://evil/?https://app.example.com",
        "https:app.example.com",
        "data:text/html,x",
        "",
        "https://app.example.com\\@evil",
        "https://APP.example.com/",
        "https://app.example.com./",
    ] {
        for (path, fields) in [
            ("/portal", &["return_url"][..]),
            ("/checkout", &["success_url", "cancel_url"][..]),
        ] {
            for field in fields {
                let mut body = body_of(path);
                body[*field] = json!(url);
                let (status, problem) = jenny.post(&server, path, body).await;
                assert_eq!(
                    (status, problem["code"].as_str()),
                    (422, Some("return_url_refused")),
                    "{path} {field} {url}"
                );
            }
        }
    }
    assert_eq!(shop.calls(), []);
}

/// Five customers, each with an account at Stripe, and every place where the id of another's can be put.
#[tokio::test]
async fn no_call_reaches_stripe_for_anybody_but_the_caller() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let names = ["c-0", "c-1", "c-2", "c-3", "c-4"];
    let mut accounts: BTreeMap<&str, (String, String)> = BTreeMap::new();
    for (number, name) in names.into_iter().enumerate() {
        let (status, subscribed) = Customer(name).subscribe(&server, "pro").await;
        assert_eq!(status, 200);
        let id = subscribed["subscription_id"].as_str().unwrap().to_owned();
        let subscription = shop.at_stripe(&format!("/v1/subscriptions/{id}")).await;
        let account = subscription["customer"].as_str().unwrap().to_owned();
        if number % 2 == 0 {
            assert_eq!(shop.pay(&subscribed, "pm_card_visa").await, StatusCode::OK);
            shop.assert_mirrored(name, "pro/active").await;
        }
        accounts.insert(name, (account, id));
    }
    let mut others = Vec::new();
    for name in names {
        for other in names.into_iter().filter(|other| *other != name) {
            let (account, subscription) = &accounts[other];
            let before = shop.calls().len();
            for id in [other, account.as_str(), subscription.as_str()] {
                attempt(&server, name, id).await;
            }
            let calls = shop.calls().split_off(before);
            assert!(!calls.is_empty());
            for call in calls {
                let whom = whom(&shop, &call).await;
                if whom != accounts[name].0 {
                    others.push((name, call));
                }
            }
        }
    }
    // The server looks by itself at what is in doubt, and counts that: nobody else looked at anything.
    let is_look = |call: &ReceivedRequest| {
        call.method == "GET" && call.path.starts_with("/v1/subscriptions/")
    };
    assert!(others.iter().all(|(_, call)| is_look(call)), "{others:?}");
    let looks = r#"billing_refreshes_total{result="taken"}"#;
    eventually("what the server looked at is counted", async || {
        server.metric(looks).await.unwrap_or_default() >= others.len() as f64
    })
    .await;
    // And whoever paid still has what they paid for.
    let live = shop.live_subscriptions().await;
    let paid = live.iter().filter(|it| it["status"] == "active");
    assert_eq!(paid.count(), 3);
}

/// The customer at Stripe whom a call concerns.
async fn whom(shop: &Shop, call: &ReceivedRequest) -> String {
    if let Some(customer) = call.param("customer") {
        return customer.to_owned();
    }
    let mut object: Vec<&str> = call.path.split('/').collect();
    object.truncate(if object[2] == "checkout" { 5 } else { 4 });
    let object = shop.at_stripe(&object.join("/")).await;
    object["customer"].as_str().unwrap().to_owned()
}

/// Puts an id everywhere.
async fn attempt(server: &Server, name: &str, id: &str) {
    for (path, _) in PATHS {
        let body = body_of(path);
        let post = |path: &str| {
            let url = server.url(&format!("/api/v1/billing{path}"));
            let request = server.client.post(url).bearer_auth(TOKEN);
            request.header("x-queue-customer-id", name)
        };
        let mut named = body.clone();
        named["customer"] = json!(id);
        let mut nested = body.clone();
        nested["metadata"] = json!({ "queue_customer_id": id });
        for request in [
            post(path).json(&named),
            post(path).json(&nested),
            post(&format!("{path}?customer={id}")).json(&body),
            post(&format!("{path}/{id}")).json(&body),
            post(path).header("x-queue-customer-id", id).json(&body),
            post(path)
                .header("stripe-account", id)
                .header("x-customer-id", id)
                .json(&body),
        ] {
            let response = request.send().await.unwrap();
            assert_ne!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        }
    }
    let session = Customer(name).post(server, "/checkout/sync", json!({ "session_id": id }));
    assert_eq!(session.await.0, 404);
}
