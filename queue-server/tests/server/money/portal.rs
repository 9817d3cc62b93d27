//! `POST /api/v1/billing/portal` and `POST /api/v1/billing/plan` (B2, A5).

use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Customer, ORIGIN, Shop};
use crate::support::{Server, eventually};

async fn subscribed(shop: &Shop, server: &Server, customer: Customer<'_>, tier: &str) -> String {
    let (status, subscribed) = customer.subscribe(server, tier).await;
    assert_eq!(status, 200, "{subscribed}");
    assert_eq!(shop.pay(&subscribed, "pm_card_visa").await, StatusCode::OK);
    shop.assert_mirrored(customer.0, &format!("{tier}/active"))
        .await;
    subscribed["subscription_id"].as_str().unwrap().to_owned()
}

/// A shop that `stripe setup` has prepared.
pub(crate) async fn prepared() -> Shop {
    let shop = Shop::open().await;
    let setup = [
        "stripe",
        "setup",
        "--public-url",
        "http://127.0.0.1:9",
        "--interval",
        "day",
    ];
    let output = shop.installation.run(&setup).await;
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let value = |name: &str| {
        let lines = printed.lines();
        let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        values.next().unwrap().to_owned()
    };
    shop.with("STRIPE_PRICE_ID_PRO", &value("STRIPE_PRICE_ID_PRO"))
        .with(
            "STRIPE_PRICE_ID_PRO_PLUS",
            &value("STRIPE_PRICE_ID_PRO_PLUS"),
        )
        .with(
            "STRIPE_PORTAL_CONFIGURATION",
            &value("STRIPE_PORTAL_CONFIGURATION"),
        )
}

async fn act(server: &Server, url: &str, form: &[(&str, &str)]) {
    let response = server.client.post(url).form(form).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

async fn open_portal(server: &Server, customer: Customer<'_>) -> (u16, Value) {
    let body = json!({ "return_url": format!("{ORIGIN}/account") });
    customer.post(server, "/portal", body).await
}

#[tokio::test]
async fn a_customer_cancels_in_the_portal_and_is_told_when_it_ends() {
    let shop = prepared().await;
    let server = shop.serve().await;
    let jenny = Customer("jenny");
    let (status, problem) = open_portal(&server, jenny).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (409, Some("stripe_customer_missing"))
    );
    let subscription = subscribed(&shop, &server, jenny, "pro").await;
    let (status, opened) = open_portal(&server, jenny).await;
    assert_eq!(status, 200, "{opened}");
    let url = opened["url"].as_str().unwrap();
    let form = [
        ("action", "cancel"),
        ("subscription", subscription.as_str()),
    ];
    act(&server, url, &form).await;
    eventually("she sees when it ends", async || {
        let me = jenny.me(&server).await;
        me["cancel_at"].is_string() && me["cancel_at"] == me["current_period_end"]
    })
    .await;
    assert_eq!(shop.mirror("jenny").await, "pro/active");
    let act = "select count(*) from billing_action_log where action = 'portal.opened' and subject = 'jenny'";
    assert_eq!(shop.installation.count(act).await, 1);
}

#[tokio::test]
async fn an_upgrade_is_billed_at_once_and_opens_at_once() {
    let shop = prepared().await;
    let server = shop.serve().await;
    let jenny = Customer("jenny");
    let upgrade = json!({"plan_tier": "pro_plus"});
    let (status, problem) = jenny.post(&server, "/plan", upgrade.clone()).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (409, Some("subscription_missing"))
    );
    let subscription = subscribed(&shop, &server, jenny, "pro").await;
    let (status, changed) = jenny.post(&server, "/plan", upgrade.clone()).await;
    assert_eq!(
        (status, &changed),
        (200, &json!({"outcome": "changed", "plan_tier": "pro_plus"}))
    );
    shop.assert_mirrored("jenny", "pro_plus/active").await;
    let (status, again) = jenny.post(&server, "/plan", upgrade).await;
    assert_eq!(
        (status, again["outcome"].as_str()),
        (200, Some("unchanged"))
    );
    let invoices = shop
        .at_stripe(&format!("/v1/invoices?subscription={subscription}"))
        .await;
    let invoices = invoices["data"].as_array().unwrap();
    let prorated = |it: &&Value| it["billing_reason"] == "subscription_update";
    let [prorated] = &invoices.iter().filter(prorated).collect::<Vec<_>>()[..] else {
        panic!("not one proration");
    };
    assert_eq!(
        (&prorated["status"], &prorated["total"]),
        (&json!("paid"), &json!(5000))
    );
    // Downwards it goes in the portal.
    let (status, problem) = jenny
        .post(&server, "/plan", json!({"plan_tier": "pro"}))
        .await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (409, Some("plan_change_in_portal"))
    );
}

#[tokio::test]
async fn an_upgrade_that_is_not_paid_waits_and_locks_nothing() {
    let shop = prepared().await;
    let server = shop.serve().await;
    let jenny = Customer("jenny");
    let id = subscribed(&shop, &server, jenny, "pro").await;
    let subscription = shop.at_stripe(&format!("/v1/subscriptions/{id}")).await;
    let customer = subscription["customer"].as_str().unwrap();
    let attach = "/v1/payment_methods/pm_card_chargeCustomerFail/attach";
    let card = shop.post_to_stripe(attach, &[("customer", customer)]).await;
    let card = [("default_payment_method", card["id"].as_str().unwrap())];
    shop.post_to_stripe(&format!("/v1/subscriptions/{id}"), &card)
        .await;
    let (status, pending) = jenny
        .post(&server, "/plan", json!({"plan_tier": "pro_plus"}))
        .await;
    assert_eq!(
        (status, pending["outcome"].as_str()),
        (200, Some("pending")),
        "{pending}"
    );
    assert_eq!(jenny.me(&server).await["plan_tier"], "pro");
    assert_eq!(shop.pay(&pending, "pm_card_visa").await, StatusCode::OK);
    shop.assert_mirrored("jenny", "pro_plus/active").await;
}

/// On a test clock, since a period must end; by the day, since no event may be from further ahead.
#[tokio::test]
async fn a_downgrade_in_the_portal_comes_at_the_end_of_the_period_and_locks_from_then_on() {
    const DAY: i64 = 86_400;
    let shop = prepared().await;
    let server = shop.serve().await;
    let jenny = Customer("jenny");
    let began = Timestamp::now().as_second() - DAY - 3600;
    let clock = [("frozen_time", began.to_string())];
    let clock = [(clock[0].0, clock[0].1.as_str())];
    let clock = shop
        .post_to_stripe("/v1/test_helpers/test_clocks", &clock)
        .await;
    let clock = clock["id"].as_str().unwrap();
    let customer = [
        ("test_clock", clock),
        ("metadata[queue_customer_id]", "jenny"),
    ];
    shop.post_to_stripe("/v1/customers", &customer).await;
    shop.assert_mirrored("jenny", "free/none").await;
    let subscription = subscribed(&shop, &server, jenny, "pro_plus").await;
    let (_, opened) = open_portal(&server, jenny).await;
    let price = shop
        .at_stripe("/v1/prices?lookup_keys[]=queue_pro_day")
        .await;
    let price = price["data"][0]["id"].as_str().unwrap();
    let form = [
        ("action", "change"),
        ("subscription", subscription.as_str()),
        ("price", price),
    ];
    act(&server, opened["url"].as_str().unwrap(), &form).await;
    // Until the period ends she has what she paid for.
    shop.stripe.settled().await;
    let me = jenny.me(&server).await;
    assert_eq!(me["plan_tier"], "pro_plus");
    assert!(me["feature_locked_at"].is_null());
    let advance = format!("/v1/test_helpers/test_clocks/{clock}/advance");
    let to = (began + DAY + 60).to_string();
    shop.post_to_stripe(&advance, &[("frozen_time", &to)]).await;
    shop.assert_mirrored("jenny", "pro/active").await;
    let me = jenny.me(&server).await;
    let locked_at: Timestamp = me["feature_locked_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(locked_at.as_second(), began + DAY);
}
