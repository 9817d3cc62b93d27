//! The paywall over a PostgreSQL server that is there, goes away and comes back.

use std::time::Duration;

use http::StatusCode;
use sqlx::{AnyPool, AssertSqlSafe};
use test_database::Cluster;
use tokio::task::JoinSet;
use tower_paywall::{CustomerId, MirrorReader, PaywallLayer, SqlMirror};

use crate::booth::{Who, anonymous, from_extensions, now, pro, request, send};

const REQUESTS: usize = 2000;
const CONNECTIONS: u32 = 2;

/// A gate as a service has it, with patience for a busy machine.
fn gate<R: MirrorReader>(reader: R) -> PaywallLayer<R, Who> {
    PaywallLayer::new(reader, pro())
        .identity(from_extensions as Who)
        .clock(now)
        .read_timeout(Duration::from_secs(30))
}

/// What is right for the customer of this number, and how it comes about.
fn wanted(number: usize) -> (StatusCode, &'static str) {
    match number % 4 {
        0 => (StatusCode::OK, "('pro', 'active', '2027-01-16')"),
        1 => (StatusCode::OK, "('pro_plus', 'trialing', '2027-01-16')"),
        2 => (
            StatusCode::PAYMENT_REQUIRED,
            "('pro', 'past_due', '2027-01-16')",
        ),
        _ => (StatusCode::PAYMENT_REQUIRED, ""),
    }
}

async fn fill(host: &AnyPool) {
    for number in 0..200 {
        let (_, row) = wanted(number);
        let Some(values) = row.strip_prefix('(') else {
            continue;
        };
        let insert = format!(
            "insert into billing_subscription_mirror
                 (queue_customer_id, plan_tier, status, current_period_end, updated_at)
             select 'user-{number}', tier, status, ends::timestamptz, now()
             from (values ({values}) as row (tier, status, ends)"
        );
        let insert = sqlx::query(AssertSqlSafe(insert));
        insert.execute(host).await.unwrap();
    }
}

/// Transactions so far, without those of sessions that still run.
async fn transactions(host: &AnyPool) -> i64 {
    let query = "select xact_commit from pg_stat_database where datname = current_database()";
    sqlx::query_scalar(query).fetch_one(host).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_are_few_queries_on_few_connections_and_each_is_answered_right() {
    if !Cluster::is_at_hand() {
        eprintln!("SKIPPED: TEST_POSTGRES_BIN is not set; cargo xtask test sets it");
        return;
    }
    let mut cluster = Cluster::start();
    SqlMirror::create(&cluster.url())
        .await
        .unwrap()
        .close()
        .await;
    let host = test_database::connect(&cluster.url()).await.unwrap();
    fill(&host).await;
    let url = format!("{}?application_name=gate", cluster.url());
    let mirror = SqlMirror::open_at_most(&url, CONNECTIONS.try_into().ok()).unwrap();
    let reader = mirror.clone().coalescing(CONNECTIONS as usize);
    let before = transactions(&host).await;
    let mut answers = JoinSet::new();
    for number in 0..REQUESTS {
        let gate = gate(reader.clone());
        answers.spawn(async move {
            let mut request = anonymous("/");
            let customer = CustomerId::parse(format!("user-{}", number % 200)).unwrap();
            request.extensions_mut().insert(customer);
            let (response, calls) = send(&gate, request).await;
            (number, response.status(), calls)
        });
    }
    for (number, status, calls) in answers.join_all().await {
        let (right, _) = wanted(number);
        assert_eq!(
            (status, calls),
            (right, usize::from(right.is_success())),
            "{number}"
        );
    }
    let connections = async || -> i64 {
        let query = "select count(*) from pg_stat_activity where application_name = 'gate'";
        sqlx::query_scalar(query).fetch_one(&host).await.unwrap()
    };
    let used = connections().await;
    // A session tells what it did when it ends.
    mirror.close().await;
    while connections().await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = transactions(&host).await - before;
    eprintln!("{REQUESTS} requests: {took} transactions on {used} connections");
    assert!(used <= i64::from(CONNECTIONS), "{used}");
    assert!(took < i64::try_from(REQUESTS / 10).unwrap(), "{took}");

    let mirror = SqlMirror::open(&cluster.url()).unwrap().coalescing(1);
    let gate = gate(mirror).read_timeout(Duration::from_secs(1));
    let paying = || {
        let mut request = request("/");
        let customer = CustomerId::parse("user-0").unwrap();
        request.extensions_mut().insert(customer);
        request
    };
    let opens = async |request| {
        let (response, calls) = send(&gate, request).await;
        assert_eq!(calls, usize::from(response.status().is_success()));
        response.status().is_success()
    };
    let opens_in_time = async || {
        let opening = async { while !opens(paying()).await {} };
        let opened = tokio::time::timeout(Duration::from_secs(30), opening).await;
        opened.expect("it opens again by itself");
    };
    opens_in_time().await;
    cluster.stop_immediately();
    for _ in 0..3 {
        assert!(!opens(paying()).await, "open without a mirror");
    }
    cluster.start_again();
    opens_in_time().await;
    cluster.freeze();
    for _ in 0..3 {
        assert!(!opens(paying()).await, "open behind a mirror that froze");
    }
    cluster.thaw();
    opens_in_time().await;
}
