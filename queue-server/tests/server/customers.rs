//! `PUT /api/v1/billing/customers/{id}`.

use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::support::{Installation, Server, TOKEN, eventually};

async fn put(server: &Server, id: &str, authorization: &[&str]) -> Response {
    let mut request = server
        .client
        .put(server.url(&format!("/api/v1/billing/customers/{id}")));
    for value in authorization {
        request = request.header("authorization", *value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_customer_who_signs_up_gets_a_free_row_once() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let bearer = format!("Bearer {TOKEN}");
    for expected in ["applied", "duplicate"] {
        let response = put(&server, "user-17", &[&bearer]).await;
        assert_eq!(response.status(), StatusCode::OK);
        let body: Value = response.json().await.unwrap();
        assert_eq!(
            (body["queue_customer_id"].as_str(), body["outcome"].as_str()),
            (Some("user-17"), Some(expected))
        );
    }
    eventually("the row reaches the mirror", async || {
        installation
            .count("select count(*) from billing_subscription_mirror where queue_customer_id = 'user-17' and status = 'none'")
            .await
            == 1
    })
    .await;
    assert_eq!(
        installation
            .count("select count(*) from billing_action_log")
            .await,
        1
    );
}

#[tokio::test]
async fn only_a_valid_token_registers_anyone() {
    let installation = Installation::new().with(
        "QUEUE_INTERNAL_TOKEN",
        "token-of-the-tests,the-next-token-0",
    );
    let server = installation.serve().await;
    let long = format!("Bearer {}", "a".repeat(8000));
    let refused: [&[&str]; 10] = [
        &[],
        &[""],
        &["Bearer"],
        &["Bearer "],
        &["Bearer token-of-the-test"],
        &["Bearer token-of-the-testsx"],
        &["Bearer token-of-the-tests,the-next-token-0"],
        &["Basic token-of-the-tests"],
        &["Bearer token-of-the-tests", "Bearer token-of-the-tests"],
        &[&long],
    ];
    for authorization in refused {
        let response = put(&server, "user-1", authorization).await;
        assert_eq!(
            response.status(),
            StatusCode::UNAUTHORIZED,
            "{authorization:?}"
        );
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
    assert_eq!(
        installation.count("select count(*) from mirror_row").await,
        0
    );
    for token in ["Bearer token-of-the-tests", "bearer the-next-token-0"] {
        assert_eq!(
            put(&server, "user-1", &[token]).await.status(),
            StatusCode::OK
        );
    }
}

#[tokio::test]
async fn ids_that_could_be_taken_for_another_or_not_stored_are_refused() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let bearer = format!("Bearer {TOKEN}");
    let long = "a".repeat(249);
    for id in ["stripe:cus_1", "a%20b", "a%00b", "%C3%A9", "%FF", &long] {
        let response = put(&server, id, &[&bearer]).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "{id}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "customer_id_invalid");
    }
    assert_eq!(
        put(&server, "a%2Fb", &[&bearer]).await.status(),
        StatusCode::OK
    );
    assert_eq!(
        installation
            .count("select count(*) from mirror_row where queue_customer_id = 'a/b'")
            .await,
        1
    );
}
