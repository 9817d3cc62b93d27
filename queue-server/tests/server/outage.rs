//! The whole of PostgreSQL stops, freezes, and comes back: ours answers in time and goes on by
//! itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use test_database::{Cluster, Engine, TestDatabase};
use tokio::task::JoinHandle;

use crate::kill::{deliver_all, events, stored_events};
use crate::proxy::Proxy;
use crate::support::{Installation, Server, eventually, sign};

/// What Stripe's patience asks for.
const IN_TIME: Duration = Duration::from_secs(10);

/// Whether there is anything to run, and on the store that this run of the tests is about.
fn has_cluster() -> bool {
    let reason = match (Engine::chosen(), Cluster::is_at_hand()) {
        (Engine::Sqlite, _) => "SQLite has no server to stop",
        (Engine::Postgres, false) => "TEST_POSTGRES_BIN is not set; cargo xtask test sets it",
        (Engine::Postgres, true) => return true,
    };
    eprintln!("SKIPPED: {reason}");
    false
}

/// Senders that go round the same events until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<Sent>>,
}

/// What came back.
#[derive(Default)]
struct Sent {
    acknowledged: BTreeSet<String>,
    statuses: BTreeMap<u16, usize>,
    slowest: Duration,
}

impl Load {
    fn start(server: &Server, events: &[Value]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let senders = (0..16).map(|sender| {
            let share: Vec<Value> = events.iter().skip(sender).step_by(16).cloned().collect();
            let (client, url) = (server.client.clone(), server.url("/api/v1/billing/webhook"));
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let mut sent = Sent::default();
                for event in share.iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let body = event.to_string();
                    let header = sign(body.as_bytes(), jiff::Timestamp::now());
                    let request = client.post(&url).header("stripe-signature", header);
                    let began = Instant::now();
                    let status = request.body(body).send().await.unwrap().status();
                    sent.slowest = sent.slowest.max(began.elapsed());
                    *sent.statuses.entry(status.as_u16()).or_default() += 1;
                    if status == StatusCode::OK {
                        let id = event["id"].as_str().unwrap();
                        sent.acknowledged.insert(id.to_owned());
                    }
                }
                sent
            })
        });
        let senders = senders.collect();
        Self { stop, senders }
    }

    /// What all of them sent. Each answer was 200 or 503, and in time.
    async fn end(self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Sent::default();
        for sender in self.senders {
            let sent = sender.await.unwrap();
            all.acknowledged.extend(sent.acknowledged);
            all.slowest = all.slowest.max(sent.slowest);
            for (status, count) in sent.statuses {
                *all.statuses.entry(status).or_default() += count;
            }
        }
        let told = all
            .statuses
            .keys()
            .all(|status| matches!(status, 200 | 503));
        assert!(told, "{:?}", all.statuses);
        assert!(all.slowest < IN_TIME, "{:?}", all.slowest);
        all
    }
}

/// It lives, and says so at once.
async fn assert_alive(server: &Server) {
    let began = Instant::now();
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

async fn assert_nothing_lost(
    installation: &Installation,
    server: &Server,
    events: &[Value],
    sent: &Sent,
) {
    eventually("it takes all without a restart", async || {
        deliver_all(server, events).await.len() == events.len()
    })
    .await;
    let stored = stored_events(installation).await;
    let lost = sent.acknowledged.difference(&stored).count();
    eprintln!(
        "answers {:?}, the slowest after {:?}; {} events acknowledged, {lost} lost",
        sent.statuses,
        sent.slowest,
        sent.acknowledged.len()
    );
    assert_eq!(lost, 0);
    installation.assert_one_effect_each().await;
    let right = "select count(*) from billing_subscription_mirror
        where status = 'active' and plan_tier = 'pro' and queue_customer_id like 'user-%'";
    eventually("the mirror is right", async || {
        usize::try_from(installation.count(right).await) == Ok(events.len() / 2)
    })
    .await;
}

/// More than one thread: to start and to stop a server blocks one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_is_stopped_at_once_under_load_loses_nothing_that_was_acknowledged() {
    if !has_cluster() {
        return;
    }
    let mut cluster = Cluster::start();
    let installation = Installation::on(TestDatabase::at(cluster.url()));
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
