//! Several servers over one database.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::StatusCode;
use tokio::task::JoinSet;

use crate::support::{Installation, TOKEN, customer_created, eventually, outcome_of, sign};

/// For a thousand appends.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn fifty_deliveries_of_one_event_through_two_servers_have_one_effect() {
    let installation = Installation::new();
    let servers = [installation.serve().await, installation.serve().await];
    let created = customer_created("evt_1", "cus_1", "user-1").to_string();
    let mut deliveries = JoinSet::new();
    for number in 0..50 {
        let server = &servers[number % 2];
        let url = server.url("/api/v1/billing/webhook");
        let (client, body) = (server.client.clone(), created.clone());
        deliveries.spawn(async move {
            let header = sign(body.as_bytes(), jiff::Timestamp::now());
            let request = client.post(url).header("stripe-signature", header);
            let response = request.body(body).send().await.unwrap();
            match response.status() {
                StatusCode::OK => outcome_of(response).await,
                status => status.to_string(),
            }
        });
    }
    let mut counts = BTreeMap::new();
    for outcome in deliveries.join_all().await {
        *counts.entry(outcome).or_insert(0) += 1;
    }
    eprintln!("50 deliveries through two servers: {counts:?}");
    assert_eq!(counts.get("applied"), Some(&1), "{counts:?}");
    let others = ["applied", "duplicate", "503 Service Unavailable"];
    assert!(
        counts
            .keys()
            .all(|outcome| others.contains(&outcome.as_str())),
        "{counts:?}"
    );
    let rows = "select count(*) from billing_action_log";
    assert_eq!(installation.count(rows).await, 2);
    let mirrored = "select count(*) from billing_subscription_mirror
        where queue_customer_id = 'user-1' and status = 'none'";
    eventually("the row reaches the mirror", async || {
        installation.count(mirrored).await == 1
    })
    .await;
    installation.assert_one_effect_each().await;
}

/// Appends one row, however often it takes; how often it was put off.
async fn append(request: reqwest::RequestBuilder) -> usize {
    let mut put_off = 0;
    loop {
        let request = request.try_clone().unwrap();
        match request.send().await.unwrap().status() {
            StatusCode::OK => return put_off,
            status => assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE),
        }
        put_off += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn two_servers_that_append_five_hundred_times_each_make_one_chain() {
    let installation = Installation::new();
    let servers = [installation.serve().await, installation.serve().await];
    let mut appends = JoinSet::new();
    for number in 0..1000 {
        let server = &servers[number % 2];
        let url = server.url(&format!("/api/v1/billing/customers/user-{number}"));
        let request = server.client.put(url).bearer_auth(TOKEN);
        appends.spawn(async move { (number % 2, append(request).await) });
    }
    let appends = tokio::time::timeout(PATIENCE, appends.join_all()).await;
    let mut appended = [0; 2];
    let mut put_off = 0;
    for (server, times) in appends.expect("all are appended") {
        appended[server] += 1;
        put_off += times;
    }
    eprintln!("appended through two servers: {appended:?}, put off {put_off} times");
    assert_eq!(appended, [500, 500]);
    let rows = installation
        .count("select count(*) from billing_action_log")
        .await;
    let last = installation
        .count("select max(seq) from billing_action_log")
        .await;
    assert_eq!(
        (rows, last),
        (1000, 1000),
        "a gap, a fork, or an effect twice"
    );
    installation.assert_one_effect_each().await;
}
