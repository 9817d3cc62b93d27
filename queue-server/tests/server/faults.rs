//! Faults of the database under the running server.

use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::StatusCode;
use sqlx::AnyPool;
use test_database::Engine;

use crate::chance::Chance;
use crate::kill::{deliver_all, events, events_of};
use crate::load::{IN_TIME, Load, assert_alive, assert_nothing_lost};
use crate::lock::Lock;
use crate::proxy::{Cut, Proxy};
use crate::support::{Installation, customer_created, eventually};

/// Deliveries that wait behind a lock.
const WAITING: usize = 20;
/// Sessions to be cut in mid-transaction.
const CUTS: i64 = 40;
/// Connections to be cut at COMMIT.
const COMMITS: i64 = 20;

#[tokio::test]
async fn a_lock_that_somebody_holds_is_a_503_in_time_and_then_it_goes_on() {
    let installation = Installation::new();
    let server = installation.serve().await;
    let events = events_of(0..WAITING / 2);
    let lock = Lock::take(&installation).await;
    let answers = join_all(events.iter().map(async |event| {
        let began = Instant::now();
        (server.deliver(event).await.status(), began.elapsed())
    }));
    let probes = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_alive(&server).await;
    };
    let (answers, ()) = tokio::join!(answers, probes);
    let slowest = answers.iter().map(|(_, elapsed)| *elapsed).max().unwrap();
    for (status, _) in answers {
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!(slowest < IN_TIME, "{slowest:?}");
    lock.release().await;
    let released = Instant::now();
    eventually("it goes on", async || {
        deliver_all(&server, &events).await.len() == events.len()
    })
    .await;
    eprintln!(
        "{WAITING} deliveries behind a lock: each a 503, the slowest after {slowest:?}; all taken \
         {:?} after its release",
        released.elapsed()
    );
    installation.assert_mirrored(WAITING / 2).await;
    installation.assert_one_effect_each().await;
}

/// Cuts sessions, now those in a transaction and now all. How many were in one, and how many not.
async fn cut_sessions(database: &AnyPool, idle_too: bool) -> (i64, i64) {
    let cut = "select count(*) filter (where in_transaction and cut),
            count(*) filter (where cut and not in_transaction)
        from (select xact_start is not null as in_transaction, pg_terminate_backend(pid) as cut
            from pg_stat_activity
            where datname = current_database() and application_name = 'queue'
              and (xact_start is not null or $1)) as sessions";
    let cut = sqlx::query_as(cut).bind(idle_too);
    // A database that is busy with it may not answer once.
    cut.fetch_one(database).await.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_cut_lose_nothing_that_was_acknowledged() {
    let installation = Installation::new();
    if installation.engine() != Engine::Postgres {
        eprintln!("SKIPPED: SQLite has no sessions to cut");
        return;
    }
    let url = format!("{}&application_name=queue", installation.database_url());
    let installation = installation.with("DATABASE_URL", &url);
    let server = installation.serve().await;
    let database = installation.database().await;
    let events = events();
    let load = Load::start(&server, &events);
    let mut chance = Chance::new();
    let (mut in_transaction, mut idle) = (0, 0);
    let began = Instant::now();
    for round in 1.. {
        let cut = cut_sessions(&database, round % 8 == 0).await;
        in_transaction += cut.0;
        idle += cut.1;
        if in_transaction >= CUTS && idle > 0 {
            break;
        }
        let elapsed = began.elapsed();
        assert!(elapsed < Duration::from_secs(60), "{in_transaction} cut");
        tokio::time::sleep(chance.microseconds(5_000..80_000)).await;
    }
    let sent = load.end().await;
    eprintln!("{in_transaction} sessions cut in mid-transaction, {idle} idle ones");
    let told = sent.statuses.contains_key(&200) && sent.statuses.contains_key(&503);
    assert!(told, "{:?}", sent.statuses);
    assert_nothing_lost(&installation, &server, &events, &sent).await;
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
    let mut slowest = Duration::ZERO;
    for number in 0..COMMITS {
        let (cut, again) = if number % 2 == 0 {
            (Cut::Before, "applied")
        } else {
            (Cut::After, "duplicate")
        };
        let (event, customer) = (format!("evt_{number}"), format!("cus_{number}"));
        let created = customer_created(&event, &customer, &format!("user-{number}"));
        proxy.arm(cut, &event);
        let began = Instant::now();
        let unknown = server.deliver(&created).await;
        slowest = slowest.max(began.elapsed());
        assert_eq!(unknown.status(), StatusCode::SERVICE_UNAVAILABLE, "{cut:?}");
        assert!(proxy.has_cut());
        assert_eq!(server.outcome(&created).await, again, "{cut:?}");
    }
    eprintln!(
        "{COMMITS} connections cut at COMMIT, half of them after it: each a 503, the slowest after \
         {slowest:?}; one effect each"
    );
    assert!(slowest < IN_TIME, "{slowest:?}");
    let rows = "select count(*) from billing_action_log";
    assert_eq!(installation.count(rows).await, 2 * COMMITS);
    let mirrored = "select count(*) from billing_subscription_mirror where status = 'none'";
    eventually("the rows reach the mirror", async || {
        installation.count(mirrored).await == COMMITS
    })
    .await;
    installation.assert_one_effect_each().await;
}
