//! Lists and their pages; prices, products, endpoints and the account by request.

use conformance::simulator::SimulatorConfig;
use serde_json::{Value, json};

use crate::client::{TestStripe, id};
use crate::receiver::Receiver;

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(id).collect()
}

/// Every object of a list, fetched two at a time.
async fn walk(stripe: &TestStripe, path: &str) -> Vec<String> {
    let glue = if path.contains('?') { '&' } else { '?' };
    let mut all: Vec<String> = Vec::new();
    loop {
        let after = all.last().map(|last| format!("&starting_after={last}"));
        let after = after.unwrap_or_default();
        let page = stripe.get(&format!("{path}{glue}limit=2{after}")).await;
        let found = ids(&page);
        assert!(found.len() <= 2);
        all.extend(found);
        if page["has_more"] == false {
            return all;
        }
    }
}

#[tokio::test]
async fn every_list_is_walked_page_by_page() {
    let stripe = TestStripe::start().await;
    let clock = stripe.clock().await;
    let customer = stripe.customer(&clock, "pm_card_visa").await;
    let mut subscriptions = Vec::new();
    for _ in 0..5 {
        subscriptions.push(id(&stripe.subscribe(&customer, &[]).await));
        let endpoint = [
            ("url", "http://127.0.0.1:9/hooks"),
            ("enabled_events[]", "invoice.paid"),
        ];
        stripe.post("/v1/webhook_endpoints", &endpoint).await;
        stripe.post("/v1/coupons", &[("percent_off", "5")]).await;
        let session = [
            ("mode", "subscription"),
            ("customer", customer.as_str()),
            ("success_url", "https://example.com"),
            ("line_items[0][price]", &stripe.monthly_price().await),
        ];
        stripe.post("/v1/checkout/sessions", &session).await;
    }
    subscriptions.reverse();
    stripe
        .delete(&format!("/v1/subscriptions/{}", subscriptions[2]))
        .await;
    let all = format!("/v1/subscriptions?customer={customer}&status=all");
    assert_eq!(walk(&stripe, &all).await, subscriptions);
    let current = format!("/v1/subscriptions?customer={customer}");
    assert_eq!(walk(&stripe, &current).await.len(), 4);
    for (path, length) in [
        ("/v1/webhook_endpoints", 5),
        ("/v1/coupons", 5),
        ("/v1/checkout/sessions", 5),
        ("/v1/invoices", 5),
        ("/v1/prices", 10),
        ("/v1/products", 10),
    ] {
        assert_eq!(walk(&stripe, path).await.len(), length, "{path}");
    }
    let before = format!("{all}&limit=2&ending_before={}", subscriptions[3]);
    let page = stripe.get(&before).await;
    assert_eq!(ids(&page), subscriptions[1..3]);
    assert_eq!(page["has_more"], true);
}

#[tokio::test]
async fn impossible_pages_are_refused() {
    let stripe = TestStripe::start().await;
    let customer = id(&stripe.post("/v1/customers", &[]).await);
    for query in [
        "limit=0".to_owned(),
        "limit=101".to_owned(),
        "limit=two".to_owned(),
        "starting_after=cus_none".to_owned(),
        format!("starting_after={customer}&ending_before={customer}"),
    ] {
        let url = stripe.url(&format!("/v1/customers?{query}"));
        let (status, _) = stripe.send(stripe.http.get(url)).await;
        assert_eq!(status, 400, "{query}");
    }
    stripe.get("/v1/customers?limit=100").await;
}

#[tokio::test]
async fn a_lookup_key_is_of_one_price_and_can_be_transferred() {
    let stripe = TestStripe::start().await;
    let (old, new) = (stripe.monthly_price().await, stripe.monthly_price().await);
    let key = ("lookup_key", "pro");
    stripe.post(&format!("/v1/prices/{old}"), &[key]).await;
    let path = format!("/v1/prices/{new}");
    assert_eq!(stripe.try_post(&path, &[key]).await.0, 400);
    let transfer = ("transfer_lookup_key", "true");
    let moved = stripe.post(&path, &[key, transfer]).await;
    assert_eq!(moved["lookup_key"], "pro");
    let found = stripe.get("/v1/prices?lookup_keys[]=pro").await;
    assert_eq!(ids(&found), [new.as_str()]);
    stripe.post(&path, &[key]).await;
    let params = [
        ("product_data[name]", "Pro"),
        ("unit_amount", "1"),
        ("currency", "usd"),
        key,
    ];
    assert_eq!(stripe.try_post("/v1/prices", &params).await.0, 400);
    stripe.post(&path, &[("lookup_key", "")]).await;
    stripe.post("/v1/prices", &params).await;
}

#[tokio::test]
async fn an_inactive_price_is_listed_as_such_and_sells_no_more() {
    let stripe = TestStripe::start().await;
    let (kept, retired) = (stripe.monthly_price().await, stripe.monthly_price().await);
    let path = format!("/v1/prices/{retired}");
    let updated = stripe.post(&path, &[("active", "false")]).await;
    assert_eq!(updated["active"], false);
    stripe.only_event("price.updated");
    assert_eq!(stripe.try_post(&path, &[("unit_amount", "1")]).await.0, 400);
    let active = stripe.get("/v1/prices?active=true").await;
    assert_eq!(ids(&active), [kept]);
    let product = updated["product"].as_str().unwrap();
    let of_product = format!("/v1/prices?product={product}&active=false&type=recurring");
    assert_eq!(ids(&stripe.get(&of_product).await), [retired.as_str()]);
    let customer = id(&stripe.post("/v1/customers", &[]).await);
    let params = [
        ("customer", customer.as_str()),
        ("items[0][price]", &retired),
    ];
    assert_eq!(stripe.try_post("/v1/subscriptions", &params).await.0, 400);
}

#[tokio::test]
async fn a_product_is_renamed_and_retired() {
    let stripe = TestStripe::start().await;
    let product = id(&stripe.post("/v1/products", &[("name", "Pro")]).await);
    let path = format!("/v1/products/{product}");
    let params = [("name", "Pro+"), ("active", "false"), ("metadata[a]", "b")];
    let updated = stripe.post(&path, &params).await;
    assert_eq!(
        (&updated["name"], &updated["active"], &updated["metadata"]),
        (&json!("Pro+"), &json!(false), &json!({ "a": "b" }))
    );
    stripe.only_event("product.updated");
    let active = stripe.get("/v1/products?active=true").await;
    assert_eq!(active["data"], json!([]));
    let named = format!("/v1/products?ids[]={product}");
    assert_eq!(ids(&stripe.get(&named).await), [product]);
}

#[tokio::test]
async fn an_endpoint_moves_is_switched_off_and_on() {
    let stripe = TestStripe::start().await;
    let (first, second) = (
        Receiver::answering(&[]).await,
        Receiver::answering(&[]).await,
    );
    let params = [("url", &*first.url), ("enabled_events[]", "*")];
    let endpoint = id(&stripe.post("/v1/webhook_endpoints", &params).await);
    let path = format!("/v1/webhook_endpoints/{endpoint}");
    stripe.post("/v1/customers", &[]).await;
    let off = stripe.post(&path, &[("disabled", "true")]).await;
    assert_eq!(off["status"], "disabled");
    stripe.post("/v1/customers", &[]).await;
    let moved = [("disabled", "false"), ("url", &*second.url)];
    let on = stripe.post(&path, &moved).await;
    assert_eq!(
        (&on["status"], &on["url"]),
        (&json!("enabled"), &json!(second.url))
    );
    stripe.post("/v1/customers", &[]).await;
    let only = [("enabled_events[]", "invoice.paid")];
    stripe.post(&path, &only).await;
    stripe.post("/v1/customers", &[]).await;
    stripe.simulator.settled().await;
    assert_eq!((first.received().len(), second.received().len()), (1, 1));
}

#[tokio::test]
async fn the_account_has_an_id_that_follows_from_the_seed() {
    let mut accounts = Vec::new();
    for seed in [1, 1, 2] {
        let stripe = TestStripe::start_with(SimulatorConfig {
            seed,
            ..Default::default()
        })
        .await;
        let account = stripe.get("/v1/account").await;
        assert_eq!(account["object"], "account");
        accounts.push(id(&account));
    }
    assert!(accounts[0].starts_with("acct_"));
    assert_eq!(accounts[0], accounts[1]);
    assert_ne!(accounts[0], accounts[2]);
}
