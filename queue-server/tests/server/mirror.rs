//! The mirror worker, with a mirror in another service's database (M3).

use billing_core::id::CustomerId;
use billing_core::mirror::{MirrorReader, MirrorStatus, SqlMirror};
use test_database::TestDatabase;

use crate::support::{Installation, customer_created, eventually, subscription_created};

#[tokio::test]
async fn rows_wait_while_the_table_is_missing_and_catch_up_when_it_comes() {
    let installation = Installation::empty();
    // The database is there, and nothing in it.
    let app = TestDatabase::existing(installation.engine());
    let installation = installation.with("MIRROR_DATABASE_URL", app.url());
    let server = installation.serve().await;
    server
        .outcome(&customer_created("evt_1", "cus_1", "user-1"))
        .await;
    eventually("the missing table is told", async || {
        installation.log().contains("mirror_table_missing")
    })
    .await;
    assert!(installation.log().contains("billing.mirror.table_missing"));
    eventually("what waits is counted", async || {
        let metrics = server.get("/metrics").await.text().await.unwrap();
        metrics.contains("billing_mirror_waiting 1")
    })
    .await;
    let made_by_queue = installation
        .count(installation.engine().pick(
            "select count(*) from sqlite_schema where name = 'billing_subscription_mirror'",
            "select count(*) from pg_tables where tablename = 'billing_subscription_mirror'",
        ))
        .await;
    assert_eq!(made_by_queue, 0);

    let mirror = SqlMirror::create(app.url()).await.unwrap();
    server
        .outcome(&subscription_created("evt_2", "cus_1", "active"))
        .await;
    let customer = CustomerId::parse("user-1").unwrap();
    eventually("the row arrives", async || {
        let row = mirror.read(&customer).await.unwrap();
        row.is_some_and(|row| row.status == MirrorStatus::Active && row.plan_tier.as_str() == "pro")
    })
    .await;
    eventually("the outbox is empty", async || {
        server
            .get("/metrics")
            .await
            .text()
            .await
            .unwrap()
            .contains("billing_mirror_waiting 0")
    })
    .await;
    eprintln!("no table: 1 of 1 row waited and arrived");
}

#[tokio::test]
async fn a_commit_wakes_the_worker_at_once() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let mirror = SqlMirror::open(installation.database_url()).unwrap();
    for number in 0..20 {
        let customer = format!("user-{number}");
        let created = customer_created(
            &format!("evt_{number}"),
            &format!("cus_{number}"),
            &customer,
        );
        server.outcome(&created).await;
        let customer = CustomerId::parse(customer).unwrap();
        eventually("the row arrives", async || {
            mirror.read(&customer).await.unwrap().is_some()
        })
        .await;
    }
    assert_eq!(
        installation
            .count("select max(attempts) from (select attempts from mirror_outbox union select 0) as waiting")
            .await,
        0
    );
}
