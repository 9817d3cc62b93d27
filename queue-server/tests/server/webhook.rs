//! `POST /api/v1/billing/webhook`.

use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    Installation, Server, customer_created, event, outcome_of, sign, subscription_created,
};

const REFUSAL: &str = r#"{"title":"Bad Request","status":400,"code":"signature_invalid","detail":"The signature did not verify."}"#;

#[tokio::test]
async fn every_bad_signature_gets_one_constant_answer_and_leaves_no_trace() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let now = Timestamp::now();
    let body = customer_created("evt_1", "cus_1", "user-1").to_string();
    let good = sign(body.as_bytes(), now);
    let (stale, early) = (
        now - SignedDuration::from_secs(302),
        now + SignedDuration::from_secs(302),
    );
    let forged: Vec<Vec<String>> = vec![
        vec![],
        vec![String::new()],
        vec!["t=1".to_owned()],
        vec![good.replace("v1=", "v0=")],
        vec![
            good.to_uppercase()
                .replace("T=", "t=")
                .replace("V1=", "v1="),
        ],
        vec![format!("{good}0")],
        vec![good.clone(), good.clone()],
        vec![format!("{good},{good}")],
        vec![sign(body.as_bytes(), stale)],
        vec![sign(body.as_bytes(), early)],
        vec![sign(format!("{body} ").as_bytes(), now)],
        vec![format!("{good},{}", "v1=00,".repeat(900))],
    ];
    for headers in forged {
        let headers: Vec<_> = headers
            .iter()
            .map(|value| ("stripe-signature", value.as_str()))
            .collect();
        let response = server.post(&headers, body.clone()).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{headers:?}");
        assert_eq!(response.text().await.unwrap(), REFUSAL, "{headers:?}");
    }
    assert_eq!(
        installation
            .count("select count(*) from processed_stripe_events")
            .await,
        0
    );
    assert_eq!(
        installation
            .count("select count(*) from billing_action_log")
            .await,
        0
    );
    let response = server.post(&[("stripe-signature", &good)], body).await;
    assert_eq!(outcome_of(response).await, "applied");
}

#[tokio::test]
async fn a_signed_body_that_is_no_event_is_refused_and_leaves_no_trace() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"{}".to_vec(),
        b"[]".to_vec(),
        b"{}x".to_vec(),
        b"\xff\xfe{\0}\0".to_vec(),
        deep.into_bytes(),
        br#"{"object":"event","id":"evt_1","id":"evt_2","type":"customer.created","created":1800000000}"#.to_vec(),
        br#"{"object":"event","id":"evt_1","type":"customer.created","created":"1800000000"}"#.to_vec(),
        br#"{"object":"event","id":"cus_1","type":"customer.created","created":1800000000}"#.to_vec(),
    ];
    for body in bodies {
        let header = sign(&body, Timestamp::now());
        let response = server.post(&[("stripe-signature", &header)], body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "event_malformed");
    }
    assert_eq!(
        installation
            .count("select count(*) from processed_stripe_events")
            .await,
        0
    );
    assert_eq!(
        server
            .outcome(&customer_created("evt_1", "cus_1", "user-1"))
            .await,
        "applied"
    );
}

#[tokio::test]
async fn a_body_over_one_mebibyte_is_413_whether_announced_or_not() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let body = vec![b' '; 1024 * 1024 + 1];
    let header = sign(&body, Timestamp::now());
    let announced = server
        .post(&[("stripe-signature", &header)], body.clone())
        .await;
    assert_eq!(announced.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let raw = chunked_request(&server, &header, &body).await;
    assert!(raw.starts_with("HTTP/1.1 413"), "{raw}");
    let exactly = vec![b' '; 1024 * 1024];
    let header = sign(&exactly, Timestamp::now());
    let response = server.post(&[("stripe-signature", &header)], exactly).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "event_malformed");
}

/// Sends a body in chunks, without announcing its length.
async fn chunked_request(server: &Server, header: &str, body: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api/v1/billing/webhook HTTP/1.1\r\nhost: {address}\r\nstripe-signature: {header}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for chunk in body.chunks(65_536) {
        let framed = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
        // The server may stop listening as soon as it has read too much.
        if stream.write_all(&framed).await.is_err() {
            break;
        }
    }
    let _ = stream.write_all(b"0\r\n\r\n").await;
    let mut answer = vec![0; 512];
    let read = stream.read(&mut answer).await.unwrap_or(0);
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn each_outcome_is_told_and_a_duplicate_is_no_error() {
    let installation = Installation::new().with("STRIPE_LIVEMODE", "false");
    let server = installation.serve().await;
    let created = customer_created("evt_1", "cus_1", "user-1");
    assert_eq!(server.outcome(&created).await, "applied");
    assert_eq!(server.outcome(&created).await, "duplicate");
    let mut earlier = customer_created("evt_0", "cus_1", "user-1");
    earlier["created"] = json!(created["created"].as_i64().unwrap() - 5);
    earlier["data"]["object"]["metadata"] = json!({});
    assert_eq!(server.outcome(&earlier).await, "stale");
    assert_eq!(
        server
            .outcome(&subscription_created("evt_2", "cus_1", "active"))
            .await,
        "applied"
    );
    assert_eq!(
        server
            .outcome(&event("evt_3", "charge.refunded", json!({"id": "ch_1"})))
            .await,
        "ignored"
    );
    let mut live = customer_created("evt_4", "cus_2", "user-2");
    live["livemode"] = json!(true);
    assert_eq!(server.outcome(&live).await, "quarantined");
    let thin = json!({"object": "v2.core.event", "id": "evt_5", "type": "v1.customer.created",
                      "created": "2027-01-15T08:00:00Z", "livemode": false, "related_object": {"id": "cus_9"}});
    assert_eq!(server.outcome(&thin).await, "quarantined");
    assert_eq!(
        installation
            .count("select count(*) from billing_quarantine")
            .await,
        2
    );
    assert_eq!(
        installation
            .count("select count(*) from processed_stripe_events")
            .await,
        6
    );
}

#[tokio::test]
async fn fifty_deliveries_of_one_event_at_once_have_one_effect() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let created = customer_created("evt_1", "cus_1", "user-1");
    let mut deliveries = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (client, url, created) = (server.client.clone(), server.url.clone(), created.clone());
        deliveries.spawn(async move {
            let body = created.to_string();
            let header = sign(body.as_bytes(), Timestamp::now());
            let request = client
                .post(format!("{url}/api/v1/billing/webhook"))
                .body(body);
            outcome_of(
                request
                    .header("stripe-signature", header)
                    .send()
                    .await
                    .unwrap(),
            )
            .await
        });
    }
    let outcomes = deliveries.join_all().await;
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| *outcome == "applied")
            .count(),
        1,
        "{outcomes:?}"
    );
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| *outcome == "duplicate")
            .count(),
        49,
        "{outcomes:?}"
    );
    // One row for the customer, one for their mirror row.
    assert_eq!(
        installation
            .count("select count(*) from billing_action_log")
            .await,
        2
    );
}
