//! What changes with time alone (A6).

use billing_core::id::CustomerId;
use billing_core::mirror::{MirrorReader, MirrorStatus, SqlMirror};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{Installation, customer_created, eventually, subscription_created};

fn in_seconds(seconds: i64) -> i64 {
    Timestamp::now().as_second() + seconds
}

async fn status(mirror: &SqlMirror, customer: &str) -> Option<MirrorStatus> {
    let customer = CustomerId::parse(customer).unwrap();
    mirror.read(&customer).await.unwrap().map(|row| row.status)
}

fn failed_invoice(subscription: &str, customer: &str, first_failed_at: i64) -> Value {
    json!({"object": "event", "id": "evt_failed", "type": "invoice.payment_failed",
        "created": first_failed_at, "livemode": false,
        "data": {"object": {"object": "invoice", "id": "in_1", "customer": customer,
            "parent": {"subscription_details": {"subscription": subscription}},
            "status": "open", "created": first_failed_at, "attempt_count": 1}}})
}

#[tokio::test]
async fn ends_of_grace_of_subscriptions_and_of_pauses_take_effect_once_over_three_servers() {
    let installation = Installation::new();
    let servers = [
        installation.serve().await,
        installation.serve().await,
        installation.serve().await,
    ];
    let mirror = SqlMirror::open(installation.database_url()).unwrap();
    for number in 1..=3 {
        let created = customer_created(
            &format!("evt_{number}"),
            &format!("cus_{number}"),
            &format!("user-{number}"),
        );
        assert_eq!(servers[0].outcome(&created).await, "applied");
    }
    let mut cancelling = subscription_created("evt_cancelling", "cus_1", "active");
    cancelling["data"]["object"]["cancel_at"] = json!(in_seconds(8));
    let mut paused = subscription_created("evt_paused", "cus_2", "active");
    paused["data"]["object"]["pause_collection"] =
        json!({"behavior": "void", "resumes_at": in_seconds(8)});
    let week = 7 * 86_400;
    let mut past_due = subscription_created("evt_past_due", "cus_3", "past_due");
    past_due["created"] = json!(in_seconds(8 - week));
    let failed = failed_invoice("sub_of_cus_3", "cus_3", in_seconds(8 - week));
    for event in [&cancelling, &paused, &past_due, &failed] {
        assert_eq!(servers[1].outcome(event).await, "applied");
    }
    let expect = async |statuses: [MirrorStatus; 3]| {
        eventually("the rows follow", async || {
            for (number, status_wanted) in (1..).zip(statuses) {
                if status(&mirror, &format!("user-{number}")).await != Some(status_wanted) {
                    return false;
                }
            }
            true
        })
        .await;
    };
    expect([
        MirrorStatus::Active,
        MirrorStatus::Paused,
        MirrorStatus::Active,
    ])
    .await;
    // Two of three die; whoever is left does all of it.
    let [first, second, third] = servers;
    first.kill().await;
    second.kill().await;
    expect([
        MirrorStatus::Canceled,
        MirrorStatus::Active,
        MirrorStatus::PastDue,
    ])
    .await;
    let once = "select count(*) from billing_action_log where actor = 'clock' and action = 'mirror.changed'";
    assert_eq!(installation.count(once).await, 3);
    let more = installation.serve().await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(installation.count(once).await, 3);
    drop((third, more));
    assert!(
        installation
            .run(&["audit", "verify"])
            .await
            .status
            .success()
    );
}
