//! The mirror's own PostgreSQL goes down for a while: rows wait, it is told, and they catch up in
//! order (M3).

use billing_core::mirror::SqlMirror;
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::AnyPool;
use test_database::Cluster;

use crate::support::{Installation, customer_created, eventually, subscription_created};

const CUSTOMERS: i64 = 10;
const VERSIONS: i64 = 12;

/// The host's own record of every version that reached it.
const RECORD: &str = "create table record
        (number bigint generated always as identity, customer text, version timestamptz);
    create function record() returns trigger language plpgsql as $$ begin
        insert into record (customer, version) values (new.queue_customer_id, new.updated_at);
        return new; end $$;
    create trigger record after insert or update on billing_subscription_mirror
        for each row execute function record()";

/// A subscription whose period ends later with every version, each a second after the one before.
fn version(customer: i64, version: i64, midnight: i64) -> Value {
    let id = format!("evt_{customer}_{version}");
    let mut event = subscription_created(&id, &format!("cus_{customer}"), "active");
    let created = event["created"].as_i64().unwrap();
    event["type"] = json!("customer.subscription.updated");
    event["created"] = json!(created - 100 + version);
    event["data"]["object"]["items"]["data"][0]["current_period_end"] =
        json!(period_end(version, midnight));
    event
}

fn period_end(version: i64, midnight: i64) -> i64 {
    midnight + 86_400 * (30 + version)
}

async fn ask(host: &AnyPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(host).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_whose_server_goes_down_is_told_of_and_catches_up_in_order() {
    if !Cluster::is_at_hand() {
        eprintln!("SKIPPED: TEST_POSTGRES_BIN is not set; cargo xtask test sets it");
        return;
    }
    let mut app = Cluster::start();
    SqlMirror::create(&app.url()).await.unwrap().close().await;
    let host = test_database::connect(&app.url()).await.unwrap();
    sqlx::raw_sql(RECORD).execute(&host).await.unwrap();
    host.close().await;
    let installation = Installation::new().with("MIRROR_DATABASE_URL", &app.url());
    let clock = installation.path("clock");
    let installation = installation.with("QUEUE_CLOCK_OFFSET", clock.to_str().unwrap());
    let server = installation.serve().await;
    let now = Timestamp::now().as_second();
    let midnight = now - now % 86_400;
    for customer in 0..CUSTOMERS {
        let created = customer_created(
            &format!("evt_{customer}"),
            &format!("cus_{customer}"),
            &format!("user-{customer}"),
        );
        assert_eq!(server.outcome(&created).await, "applied");
    }
    for number in 1..=VERSIONS {
        // Down for the second and for the fourth quarter.
        match (number - 1) % (VERSIONS / 2) {
            0 if number > 1 => app.start_again(),
            3 => app.stop_immediately(),
            _ => {}
        }
        for customer in 0..CUSTOMERS {
            assert_eq!(
                server.outcome(&version(customer, number, midnight)).await,
                "applied"
            );
        }
    }
    eventually("they are tried again", async || {
        let tried = "select cast(coalesce(min(attempts), 0) as bigint) from mirror_outbox";
        installation.count(tried).await >= 2
    })
    .await;
    eventually("it is told", async || {
        installation.log().contains("billing.mirror.unavailable")
    })
    .await;
    eventually("all that waits is counted", async || {
        server.metric("billing_mirror_waiting").await == Some(CUSTOMERS as f64)
    })
    .await;
    if cfg!(feature = "failpoints") {
        // Two minutes pass.
        std::fs::write(&clock, "120").unwrap();
        eventually("the lag is told", async || {
            installation.log().contains("billing.mirror.lag")
        })
        .await;
        assert!(server.metric("billing_mirror_lag_seconds").await > Some(100.0));
    }
    app.start_again();
    eventually("nothing waits any more", async || {
        server.metric("billing_mirror_waiting").await == Some(0.0)
    })
    .await;
    let host = test_database::connect(&app.url()).await.unwrap();
    let reached = ask(&host, "select count(*) from record").await;
    let not_grown = "select count(*) from (select version <= lag(version) over
        (partition by customer order by number) as smaller from record) as seen where smaller";
    assert_eq!(
        ask(&host, not_grown).await,
        0,
        "a version came after a later one"
    );
    let newest = sqlx::query_scalar::<_, i64>(
        "select count(*) from billing_subscription_mirror where current_period_end = to_timestamp($1)",
    );
    let newest = newest.bind(period_end(VERSIONS, midnight));
    assert_eq!(newest.fetch_one(&host).await.unwrap(), CUSTOMERS);
    eprintln!(
        "{} versions of {CUSTOMERS} rows: {reached} reached the mirror, in order",
        CUSTOMERS * (VERSIONS + 1)
    );
    host.close().await;
}
