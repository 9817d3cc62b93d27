//! `POST /api/v1/billing/checkout`, and the way back from it (B2, B5).

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Customer, ORIGIN, Shop};
use crate::support::Server;

async fn check_out(server: &Server, customer: Customer<'_>, tier: &str) -> (u16, Value) {
    let body = json!({"plan_tier": tier, "success_url": format!("{ORIGIN}/done?from=checkout#top"),
                      "cancel_url": format!("{ORIGIN}/plans")});
    customer.post(server, "/checkout", body).await
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// Whom the page sends back, to where.
async fn pay_on_page(opened: &Value, card: &str) -> (StatusCode, String) {
    let browser = reqwest::Client::builder()
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let request = browser.post(text(opened, "url")).form(&[("card", card)]);
    let response = request.send().await.unwrap();
    let location = response.headers().get("location");
    let location = location.map(|it| it.to_str().unwrap().to_owned());
    (response.status(), location.unwrap_or_default())
}

#[tokio::test]
async fn a_customer_who_comes_back_is_open_before_any_webhook() {
    let shop = Shop::open().await;
    let server = shop.installation.serve().await;
    let jenny = Customer("jenny");
    let (status, opened) = check_out(&server, jenny, "pro").await;
    assert_eq!(status, 200, "{opened}");
    // Whoever asks again gets the same page.
    assert_eq!(
        check_out(&server, jenny, "pro").await,
        (200, opened.clone())
    );
    let session = json!({ "session_id": opened["session_id"] });
    // The browser says that it is done. It is not.
    let (status, me) = jenny.post(&server, "/checkout/sync", session.clone()).await;
    assert_eq!((status, text(&me, "status")), (200, "none"));
    let (status, back) = pay_on_page(&opened, "pm_card_visa").await;
    let id = text(&opened, "session_id");
    assert_eq!(
        (status, back),
        (
            StatusCode::SEE_OTHER,
            format!("{ORIGIN}/done?from=checkout&session_id={id}#top")
        )
    );
    let (status, me) = jenny.post(&server, "/checkout/sync", session.clone()).await;
    assert_eq!(status, 200, "{me}");
    assert_eq!(
        (text(&me, "plan_tier"), text(&me, "status")),
        ("pro", "active")
    );
    shop.assert_mirrored("jenny", "pro/active").await;
    // For nobody else.
    let (status, problem) = Customer("mallory")
        .post(&server, "/checkout/sync", session)
        .await;
    assert_eq!((status, text(&problem, "code")), (404, "checkout_unknown"));
    for again in [
        check_out(&server, jenny, "pro").await,
        jenny.subscribe(&server, "pro").await,
    ] {
        assert_eq!(
            (again.0, text(&again.1, "code")),
            (409, "SUBSCRIPTION_ALREADY_ACTIVE")
        );
    }
    let opened = "select count(*) from billing_action_log where action = 'checkout.opened' and subject = 'jenny'";
    assert_eq!(shop.installation.count(opened).await, 1);
    shop.installation.assert_one_effect_each().await;
}

#[tokio::test]
async fn webhooks_that_come_late_close_nothing() {
    let shop = Shop::open().await;
    let server = shop.installation.serve().await;
    let jenny = Customer("jenny");
    let (_, opened) = check_out(&server, jenny, "pro").await;
    pay_on_page(&opened, "pm_card_visa").await;
    let session = json!({ "session_id": opened["session_id"] });
    jenny.post(&server, "/checkout/sync", session).await;
    shop.assert_mirrored("jenny", "pro/active").await;
    for event in shop.stripe.events() {
        server.outcome(&event.body).await;
        assert_eq!(
            shop.mirror("jenny").await,
            "pro/active",
            "{}",
            event.event_type
        );
    }
}

#[tokio::test]
async fn of_two_ways_to_pay_only_the_last_one_is_open() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let jenny = Customer("jenny");
    let (_, opened) = check_out(&server, jenny, "pro").await;
    let (status, subscribed) = jenny.subscribe(&server, "pro").await;
    assert_eq!(status, 200, "{subscribed}");
    assert_ne!(
        pay_on_page(&opened, "pm_card_visa").await.0,
        StatusCode::SEE_OTHER
    );
    let (status, reopened) = check_out(&server, jenny, "pro_plus").await;
    assert_eq!(status, 200, "{reopened}");
    assert_ne!(shop.pay(&subscribed, "pm_card_visa").await, StatusCode::OK);
    assert_eq!(
        pay_on_page(&reopened, "pm_card_visa").await.0,
        StatusCode::SEE_OTHER
    );
    shop.assert_mirrored("jenny", "pro_plus/active").await;
    assert_eq!(shop.live_subscriptions().await.len(), 1);
    // And who paid on the page while asking for the other way keeps what they paid for.
    let (status, problem) = jenny.subscribe(&server, "pro").await;
    assert_eq!(
        (status, text(&problem, "code")),
        (409, "SUBSCRIPTION_ALREADY_ACTIVE")
    );
}

#[tokio::test]
async fn an_expired_session_is_opened_anew() {
    let shop = Shop::open().await;
    let server = shop.serve().await;
    let jenny = Customer("jenny");
    let (_, first) = check_out(&server, jenny, "pro").await;
    let path = format!(
        "/v1/checkout/sessions/{}/expire",
        text(&first, "session_id")
    );
    shop.post_to_stripe(&path, &[]).await;
    let (status, second) = check_out(&server, jenny, "pro").await;
    assert_eq!(status, 200, "{second}");
    assert_ne!(first["session_id"], second["session_id"]);
}
