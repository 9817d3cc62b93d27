//! No secret and nothing that a customer entered leaves through a log, a row or a metric (K2).

use reqwest::StatusCode;
use serde_json::json;

use super::{Customer, KEY, ORIGIN, Shop};
use crate::support::{SECRET, TOKEN};

#[tokio::test]
async fn no_secret_reaches_a_log_a_metric_or_a_row_at_any_level() {
    let shop = Shop::open().await.with("RUST_LOG", "trace").with(
        "CUSTOMER_TOKEN_SECRET",
        "the-secret-of-customer-tokens-of-the-tests",
    );
    let portal = [("features[invoice_history][enabled]", "true")];
    shop.post_to_stripe("/v1/billing_portal/configurations", &portal)
        .await;
    let server = shop.serve().await;
    let jenny = Customer("jenny");
    let mut secrets = vec![
        KEY.to_owned(),
        TOKEN.to_owned(),
        SECRET.to_owned(),
        "the-secret-of-customer-tokens-of-the-tests".to_owned(),
        "a-private-page".to_owned(),
    ];
    let page = format!("{ORIGIN}/a-private-page");
    let checkout = json!({"plan_tier": "pro", "success_url": page, "cancel_url": page});
    let (status, opened) = jenny.post(&server, "/checkout", checkout).await;
    assert_eq!(status, 200, "{opened}");
    let page_of_stripe = opened["url"].as_str().unwrap();
    secrets.push(page_of_stripe.rsplit('/').next().unwrap().to_owned());
    let (_, subscribed) = jenny.subscribe(&server, "pro").await;
    secrets.push(subscribed["client_secret"].as_str().unwrap().to_owned());
    assert_eq!(
        shop.pay(&subscribed, "pm_card_chargeDeclined").await,
        StatusCode::PAYMENT_REQUIRED
    );
    assert_eq!(shop.pay(&subscribed, "pm_card_visa").await, StatusCode::OK);
    shop.assert_mirrored("jenny", "pro/active").await;
    let (status, portal) = jenny
        .post(&server, "/portal", json!({ "return_url": page }))
        .await;
    assert_eq!(status, 200, "{portal}");
    let portal = portal["url"].as_str().unwrap();
    secrets.push(portal.rsplit('/').next().unwrap().to_owned());
    jenny
        .post(
            &server,
            "/portal",
            json!({"return_url": format!("https://evil/{page}")}),
        )
        .await;
    let (log, metrics) = (
        shop.installation.log(),
        server.get("/metrics").await.text().await.unwrap(),
    );
    assert!(log.contains("TRACE") && metrics.contains("billing_stripe_calls_total"));
    let rows = shop.installation.run(&["audit", "export"]).await;
    let rows = String::from_utf8(rows.stdout).unwrap();
    assert!(rows.contains("portal.opened"));
    // A checkout's id is told where it is one's own object's; what leads to its page is not.
    let session = opened["session_id"].as_str().unwrap();
    for secret in secrets.iter().filter(|secret| *secret != session) {
        for (what, told) in [("log", &log), ("metrics", &metrics), ("rows", &rows)] {
            assert!(!told.contains(secret.as_str()), "{what} tell {secret}");
        }
    }
}
