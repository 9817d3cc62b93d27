//! The whole of PostgreSQL stops, freezes, and comes back: ours answers in time and goes on by
//! itself.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use test_database::{Cluster, Engine, TestDatabase};

use crate::kill::events;
use crate::load::{IN_TIME, Load, assert_alive, assert_nothing_lost};
use crate::proxy::Proxy;
use crate::support::{Installation, eventually};

/// Whether there is anything to run, and on the store that this run of the tests is about.
pub(crate) fn has_cluster() -> bool {
    let reason = match (Engine::chosen(), Cluster::is_at_hand()) {
        (Engine::Sqlite, _) => "SQLite has no server to stop",
        (Engine::Postgres, false) => "TEST_POSTGRES_BIN is not set; cargo xtask test sets it",
        (Engine::Postgres, true) => return true,
    };
    eprintln!("SKIPPED: {reason}");
    false
}

/// More than one thread: to start and to stop a server blocks one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_is_stopped_at_once_under_load_loses_nothing_that_was_acknowledged() {
    if !has_cluster() {
        return;
    }
    let mut cluster = Cluster::start();
    let installation = Installation::on(TestDatabase::at(cluster.url()));
    // Somebody wanted it quick.
    let early = "alter role postgres set synchronous_commit = off";
    installation.meddle(early).await.unwrap();
    let server = installation.serve().await;
    let events = events();
    let load = Load::start(&server, &events);
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cluster.stop_immediately();
        assert_alive(&server).await;
        let refused = server.deliver(&events[0]).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        cluster.start_again();
        eventually("it goes on", async || {
            server.deliver(&events[0]).await.status() == StatusCode::OK
        })
        .await;
    }
    let sent = load.end().await;
    assert!(sent.statuses.contains_key(&200) && sent.statuses.contains_key(&503));
    assert_nothing_lost(&installation, &server, &events, &sent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_whose_host_freezes_is_a_503_in_time_and_then_it_goes_on() {
    if !has_cluster() {
        return;
    }
    let cluster = Cluster::start();
    let installation = Installation::on(TestDatabase::at(cluster.url()));
    let server = installation.serve().await;
    let events = events();
    let load = Load::start(&server, &events);
    tokio::time::sleep(Duration::from_millis(300)).await;
    cluster.freeze();
    let began = Instant::now();
    // Longer than any one answer may take: who comes later must not wait for who came before.
    while began.elapsed() < IN_TIME + Duration::from_secs(8) {
        assert_alive(&server).await;
        let asked = Instant::now();
        let ready = server.get("/readyz").await.status();
        assert_eq!(ready, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            asked.elapsed() < Duration::from_secs(3),
            "{:?}",
            asked.elapsed()
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    cluster.thaw();
    let thawed = Instant::now();
    eventually("it goes on", async || {
        server.deliver(&events[0]).await.status() == StatusCode::OK
    })
    .await;
    eprintln!("it goes on {:?} after the host does", thawed.elapsed());
    let sent = load.end().await;
    assert!(sent.statuses.contains_key(&503), "nothing waited");
    assert_nothing_lost(&installation, &server, &events, &sent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_go_silent_for_ever_are_given_up_and_new_ones_made() {
    let installation = Installation::new();
    if installation.engine() != Engine::Postgres {
        eprintln!("SKIPPED: SQLite has no connections");
        return;
    }
    let (before, place) = installation.database_url().rsplit_once('@').unwrap();
    let (server_address, name) = place.split_once('/').unwrap();
    let proxy = Proxy::before(server_address.to_owned()).await;
    let url = format!("{before}@{}/{name}", proxy.address());
    let installation = installation.with("DATABASE_URL", &url);
    let server = installation.serve().await;
    let events = events();
    let load = Load::start(&server, &events);
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.silence();
    let began = Instant::now();
    let first = server.deliver(&events[0]).await.status();
    assert!(matches!(first.as_u16(), 200 | 503), "{first}");
    eventually("it goes on", async || {
        server.deliver(&events[0]).await.status() == StatusCode::OK
    })
    .await;
    eprintln!("it goes on after {:?}", began.elapsed());
    let sent = load.end().await;
    assert_nothing_lost(&installation, &server, &events, &sent).await;
}
