//! What a dying server may lose: nothing that it acknowledged (C1), and what a stopping one does.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::{
    Installation, Server, customer_created, eventually, outcome_of, sign, subscription_created,
};

const CUSTOMERS: usize = 400;

pub(crate) fn events() -> Vec<Value> {
    (0..CUSTOMERS)
        .flat_map(|n| {
            let (customer, user) = (format!("cus_{n}"), format!("user-{n}"));
            [
                customer_created(&format!("evt_c{n}"), &customer, &user),
                subscription_created(&format!("evt_s{n}"), &customer, "active"),
            ]
        })
        .collect()
}

/// Delivers events from 16 senders at once; returns the ids of those that were acknowledged.
pub(crate) async fn deliver_all(server: &Server, events: &[Value]) -> BTreeSet<String> {
    let mut senders = JoinSet::new();
    for sender in 0..16 {
        let share: Vec<Value> = events.iter().skip(sender).step_by(16).cloned().collect();
        let (client, url) = (server.client.clone(), server.url("/api/v1/billing/webhook"));
        senders.spawn(async move {
            let mut acknowledged = Vec::new();
            for event in share {
                let body = event.to_string();
                let header = sign(body.as_bytes(), jiff::Timestamp::now());
                let request = client
                    .post(&url)
                    .header("stripe-signature", header)
                    .body(body);
                if request
                    .send()
                    .await
                    .is_ok_and(|response| response.status() == StatusCode::OK)
                {
                    acknowledged.push(event["id"].as_str().unwrap().to_owned());
                }
            }
            acknowledged
        });
    }
    senders.join_all().await.into_iter().flatten().collect()
}

#[tokio::test]
async fn kill_dash_nine_under_load_loses_nothing_that_was_acknowledged() {
    let installation = Installation::new();
    let events = events();
    let mut acknowledged = BTreeSet::new();
    for round in 1..=4 {
        let server = installation.serve().await;
        let process_id = server.process_id();
        let killer = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100 * round)).await;
            let _ = tokio::process::Command::new("kill")
                .args(["-KILL", &process_id])
                .status()
                .await;
        });
        acknowledged.extend(deliver_all(&server, &events).await);
        killer.await.unwrap();
        drop(server);
        let stored = stored_events(&installation).await;
        let lost: Vec<_> = acknowledged.difference(&stored).collect();
        assert!(
            lost.is_empty(),
            "acknowledged and lost in round {round}: {lost:?}"
        );
        assert!(
            installation
                .run(&["audit", "verify"])
                .await
                .status
                .success()
        );
    }
    assert!(!acknowledged.is_empty(), "no load at all was tested");

    let server = installation.serve().await;
    for event in &events {
        let outcome = outcome_of(server.deliver(event).await).await;
        let known = acknowledged.contains(event["id"].as_str().unwrap());
        assert!(!known || outcome == "duplicate", "{event}: {outcome}");
    }
    assert_eq!(stored_events(&installation).await.len(), events.len());
    let right = "select count(*) from billing_subscription_mirror
        where status = 'active' and plan_tier = 'pro' and queue_customer_id like 'user-%'";
    eventually("the mirror is right", async || {
        installation.count(right).await == CUSTOMERS as i64
    })
    .await;
    installation.assert_one_effect_each().await;
}

pub(crate) async fn stored_events(installation: &Installation) -> BTreeSet<String> {
    let query = sqlx::query_scalar("select event_id from processed_stripe_events");
    query
        .fetch_all(&installation.database().await)
        .await
        .unwrap()
        .into_iter()
        .collect()
}

#[tokio::test]
async fn sigterm_answers_what_is_in_flight_and_exits_with_zero() {
    let installation = Installation::new();
    let mut server = installation.serve().await;
    let events = events();
    let mut deliveries = JoinSet::new();
    for event in events.into_iter().take(50) {
        let (client, url) = (server.client.clone(), server.url("/api/v1/billing/webhook"));
        deliveries.spawn(async move {
            let body = event.to_string();
            let header = sign(body.as_bytes(), jiff::Timestamp::now());
            let response = client
                .post(url)
                .header("stripe-signature", header)
                .body(body)
                .send()
                .await;
            let acknowledged = response.is_ok_and(|response| response.status() == StatusCode::OK);
            acknowledged.then(|| event["id"].as_str().unwrap().to_owned())
        });
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    server.terminate().await;
    let acknowledged: BTreeSet<String> =
        deliveries.join_all().await.into_iter().flatten().collect();
    assert_eq!(server.exit_code().await, Some(0), "{}", installation.log());
    let stored = stored_events(&installation).await;
    assert!(acknowledged.is_subset(&stored), "acknowledged and lost");
    assert!(installation.log().contains("stopped"));
    assert!(
        installation
            .run(&["audit", "verify"])
            .await
            .status
            .success()
    );
}

/// Needs the feature `failpoints`, which `--all-features` has.
#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_death_at_any_point_is_as_if_all_or_nothing_had_happened() {
    for (point, after_restart) in [
        ("after_claim", "applied"),
        ("after_load", "applied"),
        ("before_commit", "applied"),
        ("after_commit", "duplicate"),
        ("before_answer", "duplicate"),
    ] {
        let installation = Installation::new().with("QUEUE_ABORT_AT", point);
        let mut server = installation.serve().await;
        let created = customer_created("evt_1", "cus_1", "user-1");
        assert!(
            server.try_deliver(&created).await.is_err(),
            "{point}: answered"
        );
        assert_eq!(server.exit_code().await, None, "{point}: it was no signal");
        let installation = installation.without("QUEUE_ABORT_AT");
        let server = installation.serve().await;
        for outcome in [after_restart, "duplicate"] {
            assert_eq!(server.outcome(&created).await, outcome, "{point}");
        }
        let effects = installation
            .count("select count(*) from billing_action_log")
            .await;
        assert_eq!(effects, 2, "{point}");
        let mirrored = "select count(*) from billing_subscription_mirror where status = 'none'";
        eventually("the row reaches the mirror", async || {
            installation.count(mirrored).await == 1
        })
        .await;
        assert!(
            installation
                .run(&["audit", "verify"])
                .await
                .status
                .success(),
            "{point}"
        );
    }
}
