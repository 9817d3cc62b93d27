//! Faults of the databases under the running server.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use billing_core::id::CustomerId;
use billing_core::mirror::{MirrorReader, SqlMirror};
use reqwest::StatusCode;
use test_database::Engine;

use crate::kill::{deliver_all, events, stored_events};
use crate::load::IN_TIME;
use crate::proxy::{Cut, Proxy};
use crate::support::{Installation, customer_created, eventually};

#[tokio::test]
async fn a_lock_that_somebody_holds_is_a_503_in_time_and_then_it_goes_on() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let database = installation.database().await;
    let mut holder = database.acquire().await.unwrap();
    let lock = match installation.engine() {
        Engine::Sqlite => "begin immediate",
        Engine::Postgres => "begin; lock table billing_chain in exclusive mode",
    };
    sqlx::raw_sql(lock).execute(&mut *holder).await.unwrap();
    let created = customer_created("evt_1", "cus_1", "user-1");
    let began = Instant::now();
    let refused = server.deliver(&created).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
    sqlx::raw_sql("rollback")
        .execute(&mut *holder)
        .await
        .unwrap();
    eventually("it goes on", async || {
        server.deliver(&created).await.status() == StatusCode::OK
    })
    .await;
    let rows = "select count(*) from billing_action_log";
    assert_eq!(installation.count(rows).await, 2);
}

#[tokio::test]
async fn sessions_that_are_cut_lose_nothing_that_was_acknowledged() {
    let installation = Installation::new();
    if installation.engine() != Engine::Postgres {
        eprintln!("SKIPPED: SQLite has no sessions to cut");
        return;
    }
    let server = installation.serve().await;
    let database = installation.database().await;
    let cutter = tokio::spawn(async move {
        let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()
              and application_name not like 'sqlx-test%'";
        let mut cuts = 0;
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(25)).await;
            let count = sqlx::query_scalar::<_, i64>(cut).fetch_one(&database).await;
            cuts += count.unwrap_or_default();
        }
        cuts
    });
    let events = events();
    let mut acknowledged = BTreeSet::new();
    while !cutter.is_finished() {
        acknowledged.extend(deliver_all(&server, &events).await);
    }
    let cuts = cutter.await.unwrap();
    acknowledged.extend(deliver_all(&server, &events).await);
    eprintln!(
        "{cuts} sessions cut, {} of {} acknowledged",
        acknowledged.len(),
        events.len()
    );
    assert!(cuts > 0);
    let stored = stored_events(&installation).await;
    assert!(acknowledged.is_subset(&stored), "acknowledged and lost");
    eventually("it takes all without a restart", async || {
        deliver_all(&server, &events).await.len() == events.len()
    })
    .await;
    installation.assert_one_effect_each().await;
}

#[tokio::test]
async fn a_mirror_whose_table_goes_away_catches_up_when_it_comes_back() {
    let installation = Installation::new();
    let server = installation.serve().await;
    server
        .outcome(&customer_created("evt_0", "cus_0", "user-0"))
        .await;
    let mirror = SqlMirror::open(installation.database_url()).unwrap();
    let there = async |number: usize| {
        let customer = CustomerId::parse(format!("user-{number}")).unwrap();
        matches!(mirror.read(&customer).await, Ok(Some(_)))
    };
    eventually("the first row arrives", async || there(0).await).await;
    let away = "alter table billing_subscription_mirror rename to away";
    installation.meddle(away).await.unwrap();
    for number in 1..=20 {
        let (event, customer) = (format!("evt_{number}"), format!("cus_{number}"));
        let created = customer_created(&event, &customer, &format!("user-{number}"));
        assert_eq!(server.outcome(&created).await, "applied");
    }
    eventually("it is told", async || {
        installation.log().contains("mirror_table_missing")
    })
    .await;
    eventually("all that waits is counted", async || {
        let metrics = server.get("/metrics").await.text().await.unwrap();
        metrics.contains("billing_mirror_waiting 20")
    })
    .await;
    let back = "alter table away rename to billing_subscription_mirror";
    installation.meddle(back).await.unwrap();
    for number in 1..=20 {
        eventually("all rows arrive", async || there(number).await).await;
    }
}

#[tokio::test]
async fn a_mirror_that_withdraws_its_rights_catches_up_when_it_grants_them_again() {
    let installation = Installation::new();
    if installation.engine() != Engine::Postgres {
        eprintln!("SKIPPED: SQLite has no rights to withdraw");
        return;
    }
    // The host's table and the host's role for Queue, in a database that both can reach.
    SqlMirror::create(installation.database_url())
        .await
        .unwrap();
    let role = format!("queue_{}", std::process::id());
    let grant = format!("grant select, insert, update on billing_subscription_mirror to {role}");
    let make = format!("drop role if exists {role}; create role {role} login; {grant}");
    installation.meddle(&make).await.unwrap();
    let (_, place) = installation.database_url().rsplit_once('@').unwrap();
    let url = format!("postgres://{role}@{place}");
    let mirror = SqlMirror::open(installation.database_url()).unwrap();
    let installation = installation.with("MIRROR_DATABASE_URL", &url);
    let server = installation.serve().await;
    let there = async |customer: &str| {
        let customer = CustomerId::parse(customer).unwrap();
        matches!(mirror.read(&customer).await, Ok(Some(_)))
    };
    server
        .outcome(&customer_created("evt_1", "cus_1", "user-1"))
        .await;
    eventually("the first row arrives", async || there("user-1").await).await;
    let revoke = format!("revoke all on billing_subscription_mirror from {role}");
    installation.meddle(&revoke).await.unwrap();
    let created = customer_created("evt_2", "cus_2", "user-2");
    assert_eq!(server.outcome(&created).await, "applied");
    eventually("it is told", async || {
        installation.log().contains("mirror_unavailable")
    })
    .await;
    assert!(installation.log().contains("billing.mirror.unavailable"));
    assert!(!there("user-2").await);
    installation.meddle(&grant).await.unwrap();
    eventually("the row arrives", async || there("user-2").await).await;
    server.kill().await;
    installation
        .meddle(&format!("drop owned by {role}; drop role {role}"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_connection_cut_at_commit_is_a_503_and_the_event_has_one_effect() {
    let installation = Installation::new();
    if installation.engine() != Engine::Postgres {
        eprintln!("SKIPPED: SQLite has no connections to cut");
        return;
    }
    let (before, place) = installation.database_url().rsplit_once('@').unwrap();
    let (server_address, name) = place.split_once('/').unwrap();
    let proxy = Proxy::before(server_address.to_owned()).await;
    let url = format!("{before}@{}/{name}", proxy.address());
    let installation = installation.with("DATABASE_URL", &url);
    let server = installation.serve().await;
    for number in 0..20 {
        // The worker's own commits must not take the cut.
        eventually("the outbox is empty", async || {
            let metrics = server.get("/metrics").await.text().await.unwrap();
            metrics.contains("billing_mirror_waiting 0")
        })
        .await;
        let (cut, again) = if number % 2 == 0 {
            (Cut::Before, "applied")
        } else {
            (Cut::After, "duplicate")
        };
        let (event, customer) = (format!("evt_{number}"), format!("cus_{number}"));
        let created = customer_created(&event, &customer, &format!("user-{number}"));
        proxy.arm(cut);
        let unknown = server.deliver(&created).await;
        assert_eq!(unknown.status(), StatusCode::SERVICE_UNAVAILABLE, "{cut:?}");
        assert!(proxy.has_cut());
        assert_eq!(server.outcome(&created).await, again, "{cut:?}");
    }
    let rows = "select count(*) from billing_action_log";
    assert_eq!(installation.count(rows).await, 40);
    assert!(
        installation
            .run(&["audit", "verify"])
            .await
            .status
            .success()
    );
}
