//! The kill switch (K1, its environment half).

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{Installation, TOKEN, customer_created, eventually};

#[tokio::test]
async fn billing_is_off_unless_the_flag_says_exactly_true() {
    for flag in [
        None,
        Some(""),
        Some("false"),
        Some("TRUE"),
        Some("1"),
        Some("yes"),
    ] {
        let installation = match flag {
            None => Installation::new().without("FLAG_QUEUE_BILLING"),
            Some(value) => Installation::new().with("FLAG_QUEUE_BILLING", value),
        };
        let server = installation.serve().await;
        let webhook = server
            .deliver(&customer_created("evt_1", "cus_1", "user-1"))
            .await;
        assert_eq!(
            webhook.status(),
            StatusCode::SERVICE_UNAVAILABLE,
            "{flag:?}"
        );
        assert_eq!(webhook.headers()["retry-after"], "5");
        assert_eq!(
            webhook.json::<Value>().await.unwrap()["code"],
            "billing_off"
        );
        let register = server
            .client
            .put(server.url("/api/v1/billing/customers/user-1"))
            .bearer_auth(TOKEN);
        assert_eq!(
            register.send().await.unwrap().status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
        eventually("the server is ready", async || {
            server.get("/readyz").await.status() == StatusCode::OK
        })
        .await;
        assert_eq!(
            installation
                .count("select count(*) from processed_stripe_events")
                .await,
            0
        );
    }
}
