//! The mirror compared with what it should be, sent again, and read as a feed (M4, M5).

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use test_database::Engine;

use crate::records::read;
use crate::support::{
    Installation, Server, TOKEN, customer_created, eventually, subscription_created, within,
};

/// Rows that differ may be under way for two seconds.
const PATIENCE: Duration = Duration::from_secs(30);

async fn sync(server: &Server, body: Value) -> (StatusCode, Value) {
    let url = server.url("/internal/v1/mirror-sync");
    let request = server.client.post(url).bearer_auth(TOKEN).json(&body);
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// The rows of the mirror: customer, tier, status; by customer.
async fn mirror(installation: &Installation) -> Vec<(String, String, String)> {
    let database = installation.database().await;
    let rows =
        "select queue_customer_id, plan_tier, status from billing_subscription_mirror order by 1";
    let rows = sqlx::query_as(rows).fetch_all(&database).await.unwrap();
    database.close().await;
    rows
}

/// A server with subscribers whose rows are in the mirror.
async fn subscribers(installation: &Installation) -> Server {
    let server = installation.serve().await;
    for number in 1..=4 {
        let account = format!("cus_{number}");
        let created = customer_created(
            &format!("evt_{number}"),
            &account,
            &format!("user-{number}"),
        );
        server.outcome(&created).await;
        let subscribed = subscription_created(&format!("evt_s{number}"), &account, "active");
        server.outcome(&subscribed).await;
    }
    eventually("all rows are there", async || {
        let rows = mirror(installation).await;
        rows.iter()
            .filter(|(_, tier, status)| tier == "pro" && status == "active")
            .count()
            == 4
    })
    .await;
    server
}

/// An instant as the mirror's table has it.
fn instant(installation: &Installation, text: &str) -> String {
    let engine = installation.engine();
    engine
        .pick(&format!("'{text}.000000'"), &format!("'{text}+00'"))
        .to_owned()
}

#[tokio::test]
async fn what_somebody_changed_in_the_mirror_is_found_and_repaired_m5() {
    let installation = Installation::new();
    let server = subscribers(&installation).await;
    let before = mirror(&installation).await;
    let later = instant(&installation, "2090-01-01 00:00:00");
    for change in [
        // Opened by hand, as new as nothing of ours for many years.
        format!(
            "update billing_subscription_mirror set plan_tier = 'pro_plus', updated_at = {later}
             where queue_customer_id = 'user-1'"
        ),
        "update billing_subscription_mirror set status = 'canceled' where queue_customer_id = 'user-2'".to_owned(),
        "delete from billing_subscription_mirror where queue_customer_id = 'user-3'".to_owned(),
        // Nobody of ours.
        format!(
            "insert into billing_subscription_mirror
             (queue_customer_id, plan_tier, status, current_period_end, updated_at)
             values ('intruder', 'pro_plus', 'active', {later}, {later})"
        ),
    ] {
        installation.meddle(&change).await.unwrap();
    }
    assert_eq!(
        sync(&server, json!({})).await,
        (StatusCode::ACCEPTED, json!({"outcome": "asked"}))
    );
    let mut expected = before;
    let intruder = ["intruder", "free", "none"].map(str::to_owned);
    expected.insert(0, intruder.into());
    within(PATIENCE, "the mirror is as it should be", async || {
        mirror(&installation).await == expected
    })
    .await;
    assert_eq!(server.metric("billing_mirror_drift_total").await, Some(4.0));
    let timeline = read(&server, "/api/v1/billing/customers/user-1/timeline").await;
    let drifted = timeline["data"].as_array().unwrap().iter();
    let drifted = drifted.filter(|entry| entry["action"] == "mirror.drifted");
    let changes: Vec<_> = drifted
        .map(|entry| entry["details"]["plan_tier"].clone())
        .collect();
    assert_eq!(changes, [json!(["pro_plus", "pro"])]);
    // A version that was made up is not gone beyond: the next change arrives, and the clock goes on from now.
    let canceled = subscription_created("evt_again", "cus_1", "canceled");
    server.outcome(&canceled).await;
    within(PATIENCE, "a later change arrives", async || {
        mirror(&installation).await[1].2 == "canceled"
    })
    .await;
    let ahead = "select count(*) from mirror_row where updated_at >= '2090-01-01'";
    assert_eq!(installation.count(ahead).await, 0);
    let verified = installation.run(&["audit", "verify"]).await;
    assert!(verified.status.success());
    // Nothing is left to repair, nor is there anything of it in the queue.
    sync(&server, json!({})).await;
    within(PATIENCE, "another comparison finds nothing", async || {
        installation.log().contains("\"repaired\":0")
    })
    .await;
}

/// More than a page of them, in a mirror that sorts them as a dictionary does.
#[tokio::test]
async fn rows_of_nobody_are_found_wherever_the_mirror_sorts_them_m5() {
    let installation = Installation::new();
    if installation.engine() == Engine::Postgres {
        let words = "alter table billing_subscription_mirror
                     alter column queue_customer_id type text collate \"en-US-x-icu\"";
        installation.meddle(words).await.unwrap();
    }
    let server = installation.serve().await;
    let now = instant(&installation, "2026-01-01 00:00:00");
    for (letter, count) in [("A", 300), ("b", 400), ("C", 300), ("d", 300), ("Z", 1)] {
        let rows = (0..count)
            .map(|number| format!("('{letter}{number:03}', 'pro_plus', 'active', null, {now})"));
        let rows: Vec<String> = rows.collect();
        let insert = format!(
            "insert into billing_subscription_mirror
             (queue_customer_id, plan_tier, status, current_period_end, updated_at) values {}",
            rows.join(", ")
        );
        installation.meddle(&insert).await.unwrap();
    }
    sync(&server, json!({})).await;
    let open = "select count(*) from billing_subscription_mirror where status <> 'none'";
    within(PATIENCE, "nobody is let in", async || {
        installation.count(open).await == 0
    })
    .await;
    assert_eq!(
        server.metric("billing_mirror_drift_total").await,
        Some(1301.0)
    );
}

#[tokio::test]
async fn one_customer_whose_records_are_damaged_keeps_no_other_row_wrong_m5() {
    let installation = Installation::new();
    let server = subscribers(&installation).await;
    let mut expected = mirror(&installation).await;
    let damage =
        "update billing_subscription set contenders = '[]' where stripe_customer_id = 'cus_2'";
    let damage = match installation.engine() {
        Engine::Sqlite => format!("pragma ignore_check_constraints = true; {damage}"),
        Engine::Postgres => damage.to_owned(),
    };
    installation.meddle(&damage).await.unwrap();
    let wrong = "update billing_subscription_mirror set status = 'canceled'";
    installation.meddle(wrong).await.unwrap();
    sync(&server, json!({})).await;
    expected[1].2 = "canceled".to_owned();
    within(PATIENCE, "the others' rows are right", async || {
        mirror(&installation).await == expected
    })
    .await;
    eventually("it is told", async || {
        let log = installation.log();
        log.contains("a mirror row could not be sent again")
    })
    .await;
}

#[tokio::test]
async fn a_version_at_the_end_of_time_is_set_back_and_poisons_nothing_m5() {
    let installation = Installation::new();
    let server = subscribers(&installation).await;
    let before = mirror(&installation).await;
    let last = installation
        .engine()
        .pick("'9999-12-31 23:59:59.999999'", "'infinity'");
    let closed = format!(
        "update billing_subscription_mirror set status = 'canceled', updated_at = {last}
         where queue_customer_id in ('user-1', 'user-2')"
    );
    installation.meddle(&closed).await.unwrap();
    // One by itself, the rest by the comparison.
    let sent = sync(&server, json!({"queue_customer_id": "user-1"})).await;
    assert_eq!(sent, (StatusCode::OK, json!({"outcome": "sent"})));
    within(PATIENCE, "the row is as it should be", async || {
        mirror(&installation).await[0] == before[0]
    })
    .await;
    sync(&server, json!({})).await;
    within(PATIENCE, "the mirror is as it should be", async || {
        mirror(&installation).await == before
    })
    .await;
}

#[tokio::test]
async fn the_mirror_is_compared_soon_after_a_start_and_again_after_an_error_m5() {
    let installation = Installation::new();
    drop(subscribers(&installation).await);
    let before = mirror(&installation).await;
    let installation = installation.with("MIRROR_COMPARE_EVERY_HOURS", "24");
    let server = installation.serve().await;
    for change in [
        "delete from billing_subscription_mirror where queue_customer_id = 'user-3'",
        "alter table billing_subscription_mirror rename to away",
    ] {
        installation.meddle(change).await.unwrap();
    }
    within(PATIENCE, "it can't be compared", async || {
        let log = installation.log();
        log.contains("the mirror could not be compared")
    })
    .await;
    let sent = sync(&server, json!({"queue_customer_id": "user-3"})).await;
    assert_eq!(
        (sent.0, &sent.1["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("mirror_unreadable"))
    );
    let back = "alter table away rename to billing_subscription_mirror";
    installation.meddle(back).await.unwrap();
    within(PATIENCE, "the row is there again", async || {
        mirror(&installation).await == before
    })
    .await;
}

#[tokio::test]
async fn one_row_is_sent_again_and_nobody_s_is_a_404_m5() {
    let installation = Installation::new();
    let server = subscribers(&installation).await;
    let before = mirror(&installation).await;
    let lost = "delete from billing_subscription_mirror where queue_customer_id = 'user-2'";
    installation.meddle(lost).await.unwrap();
    let sent = sync(&server, json!({"queue_customer_id": "user-2"})).await;
    assert_eq!(sent, (StatusCode::OK, json!({"outcome": "sent"})));
    within(PATIENCE, "the row is there again", async || {
        mirror(&installation).await == before
    })
    .await;
    let (status, problem) = sync(&server, json!({"queue_customer_id": "nobody"})).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::NOT_FOUND, &json!("customer_unknown"))
    );
    let (status, problem) = sync(&server, json!({"everybody": true})).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("body_invalid"))
    );
}

#[tokio::test]
async fn a_healthy_row_that_is_sent_again_stays_the_same_version_m5() {
    let installation = Installation::new();
    let server = subscribers(&installation).await;
    let versions = "select count(*) from billing_action_log";
    let before = installation.count(versions).await;
    let sent = async || {
        let sent = r#"billing_mirror_rows_total{result="sent"}"#;
        server.metric(sent).await
    };
    let sent_before = sent().await;
    assert!(sent_before.is_some());
    let answer = sync(&server, json!({"queue_customer_id": "user-2"})).await;
    assert_eq!(answer, (StatusCode::OK, json!({"outcome": "sent"})));
    eventually("it goes there again", async || sent().await > sent_before).await;
    assert_eq!(installation.count(versions).await, before);
}

#[tokio::test]
async fn only_services_sync_the_mirror_and_only_while_billing_is_on_m5() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let path = server.url("/internal/v1/mirror-sync");
    let unnamed = server.client.post(path).json(&json!({})).send().await;
    assert_eq!(unnamed.unwrap().status(), StatusCode::UNAUTHORIZED);
    let unnamed = server.get("/internal/v1/mirror").await;
    assert_eq!(unnamed.status(), StatusCode::UNAUTHORIZED);
    drop(server);
    let installation = installation.with("FLAG_QUEUE_BILLING", "false");
    let server = installation.serve().await;
    let (status, problem) = sync(&server, json!({})).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("billing_off"))
    );
    let feed = read(&server, "/internal/v1/mirror").await;
    assert_eq!(feed, json!({"data": [], "next": null}));
}

#[tokio::test]
async fn the_feed_has_every_row_once_m4() {
    let installation = Installation::new();
    let server = subscribers(&installation).await;
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = read(&server, &format!("/internal/v1/mirror?limit=3{cursor}")).await;
        rows.extend(page["data"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let fed: Vec<_> = rows
        .iter()
        .map(|row| {
            ["queue_customer_id", "plan_tier", "status"]
                .map(|name| row[name].as_str().unwrap().to_owned())
        })
        .map(|[customer, tier, status]| (customer, tier, status))
        .collect();
    assert_eq!(fed, mirror(&installation).await);
    assert!(rows.iter().all(|row| row["updated_at"].is_string()));
}
