//! `/healthz`, `/readyz`, `/metrics`, and what is not there.

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{Installation, customer_created, eventually, subscription_created};

#[tokio::test]
async fn probes_answer() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let health = server.get("/healthz").await;
    assert_eq!(
        (health.status(), health.text().await.unwrap().as_str()),
        (StatusCode::OK, "ok")
    );
    let ready = r#"{"database":true,"mirror_worker":true,"deadline_worker":true,"refresh_worker":true,"reconcile_worker":true,"comparison_worker":true,"billing":"on"}"#;
    eventually("the server is ready", async || {
        let answer = server.get("/readyz").await;
        answer.status() == StatusCode::OK && answer.text().await.unwrap() == ready
    })
    .await;
}

#[tokio::test]
async fn readiness_needs_the_tables() {
    let installation = Installation::new();
    let server = installation.serve().await;
    installation
        .meddle("drop table billing_chain")
        .await
        .unwrap();
    assert_eq!(
        server.get("/readyz").await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
    let refused = server
        .deliver(&customer_created("evt_1", "cus_1", "user-1"))
        .await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "5");
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let installation = Installation::new();
    let server = installation.serve().await;
    // Made once: made a second later, the same event would say something else.
    let created = customer_created("evt_1", "cus_1", "user-1");
    for outcome in ["applied", "duplicate"] {
        assert_eq!(server.outcome(&created).await, outcome);
    }
    server
        .outcome(&subscription_created("evt_2", "cus_1", "active"))
        .await;
    server.post(&[], "{}").await;
    // A database that is slow to answer is not a number yet.
    eventually("the database is measured", async || {
        let metrics = server.get("/metrics").await.text().await.unwrap();
        metrics.contains("billing_refresh_waiting 0")
    })
    .await;
    let metrics = server.get("/metrics").await.text().await.unwrap();
    for line in [
        r#"billing_events_total{type="customer.created",outcome="applied"} 1"#,
        r#"billing_events_total{type="customer.created",outcome="duplicate"} 1"#,
        r#"billing_verify_failures_total{reason="header_missing"} 1"#,
        r#"billing_alerts_total{alert="billing.webhook.signature_failed"} 1"#,
        "billing_batch_size_count 3",
        "billing_commit_seconds_count 3",
        "billing_queue_depth 0",
        "billing_refresh_waiting",
        "billing_refresh_age_seconds 0",
        "billing_mirror_lag_seconds",
        "billing_mirror_waiting",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let missing = server.get("/nowhere").await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        missing.headers()["content-type"],
        "application/problem+json"
    );
    let wrong = server.get("/api/v1/billing/webhook").await;
    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        wrong.json::<Value>().await.unwrap()["code"],
        "method_not_allowed"
    );
}
