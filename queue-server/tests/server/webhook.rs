//! `POST /api/v1/billing/webhook`.

use jiff::Timestamp;
use serde_json::json;

use crate::support::{
    Installation, customer_created, event, outcome_of, sign, subscription_created,
};

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
