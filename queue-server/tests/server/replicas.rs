//! Several servers over one database.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use tokio::task::JoinSet;

use crate::support::{Installation, TOKEN, customer_created, outcome_of, sign};

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
        appends.spawn(async move { request.send().await.unwrap().status() });
    }
    let statuses = appends.join_all().await;
    let appended = statuses
        .iter()
        .filter(|status| **status == StatusCode::OK)
        .count();
    let told = statuses
        .iter()
        .all(|status| matches!(status.as_u16(), 200 | 503));
    eprintln!("{appended} of 1000 appended through two servers");
    assert!(told && appended > 0, "{statuses:?}");
    let rows = installation
        .count("select count(*) from billing_action_log")
        .await;
    let last = installation
        .count("select max(seq) from billing_action_log")
        .await;
    assert!(rows >= i64::try_from(appended).unwrap());
    assert_eq!(rows, last, "a gap or a fork");
    let verify = installation.run(&["audit", "verify"]).await;
    assert!(verify.status.success(), "{verify:?}");
}
