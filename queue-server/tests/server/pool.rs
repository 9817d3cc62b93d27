//! Few connections: whoever leaves early leaves none of them in use, and nobody starves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use sqlx::{Acquire, AnyPool};
use test_database::Engine;
use tokio::task::JoinSet;

use crate::chance::Chance;
use crate::kill::{events, stored_events};
use crate::load::IN_TIME;
use crate::support::{Installation, eventually, sign};

/// Clients that wait for their answer, first.
const PATIENT: usize = 20;
/// Less than what PostgreSQL gives a forgotten transaction.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Whether a writer from outside gets the lock that all writers take, without waiting for it.
async fn gets_the_lock(database: &AnyPool, engine: Engine) -> bool {
    let lock = engine.pick(
        "pragma busy_timeout = 0; begin immediate; rollback",
        "begin; lock table billing_chain in exclusive mode nowait; rollback",
    );
    let mut connection = database.acquire().await.unwrap();
    let connection = connection.acquire().await.unwrap();
    let locked = sqlx::raw_sql(lock).execute(&mut *connection).await;
    if locked.is_err() {
        // The transaction that failed; SQLite did not even begin one.
        let _ = sqlx::raw_sql("rollback").execute(&mut *connection).await;
    }
    locked.is_ok()
}

#[tokio::test]
async fn clients_that_hang_up_leave_nothing_open_behind_on_a_pool_of_one() {
    clients_hang_up("1", 1).await;
}

/// From two connections on, the ledger has others of its own.
#[tokio::test]
async fn clients_that_hang_up_leave_nothing_open_behind_beside_a_ledger_apart() {
    clients_hang_up("2", 4).await;
}

async fn clients_hang_up(max_connections: &str, at_most: i64) {
    let installation = Installation::new().with("DATABASE_MAX_CONNECTIONS", max_connections);
    let url = installation.database_url().to_owned();
    let installation = match installation.engine() {
        Engine::Sqlite => installation,
        Engine::Postgres => {
            installation.with("DATABASE_URL", &format!("{url}&application_name=queue"))
        }
    };
    let server = installation.serve().await;
    let events: Vec<_> = events().into_iter().take(400).collect();
    let (patient, others) = events.split_at(PATIENT);
    let mut acknowledged = BTreeSet::new();
    let began = Instant::now();
    for event in patient {
        assert_eq!(server.outcome(event).await, "applied");
        acknowledged.insert(event["id"].as_str().unwrap().to_owned());
    }
    // On any machine, some of the others get their answer, and some don't.
    let usual = began.elapsed() / u32::try_from(PATIENT).unwrap();
    let longest = 2 * u64::try_from(usual.as_micros()).unwrap();
    let mut chance = Chance::new();
    let (mut hung_up, mut put_off) = (0, 0);
    for (number, event) in others.iter().enumerate() {
        let patience = chance.microseconds(0..longest);
        let patience_of_reads = chance.microseconds(0..longest / 2);
        let reads = async {
            match number % 3 {
                0 => drop(server.get("/readyz").await),
                1 => drop(server.get("/metrics").await),
                _ => {}
            }
        };
        let (delivered, _) = tokio::join!(
            tokio::time::timeout(patience, server.try_deliver(event)),
            tokio::time::timeout(patience_of_reads, reads),
        );
        match delivered {
            Ok(Ok(answer)) if answer.status() == StatusCode::OK => {
                acknowledged.insert(event["id"].as_str().unwrap().to_owned());
            }
            Ok(Ok(answer)) => {
                assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
                put_off += 1;
            }
            Ok(Err(error)) => panic!("{error:?}"),
            Err(_) => hung_up += 1,
        }
    }
    let began = Instant::now();
    let database = installation.database().await;
    eventually("a writer from outside gets the lock", async || {
        gets_the_lock(&database, installation.engine()).await
    })
    .await;
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    eprintln!(
        "of {} clients {hung_up} hung up, {} were acknowledged, {put_off} put off; the lock was free \
         after {:?}",
        events.len(),
        acknowledged.len(),
        began.elapsed()
    );
    assert!(hung_up > 0, "nobody hung up");
    assert!(acknowledged.len() > PATIENT, "everybody hung up");
    let stored = stored_events(&installation).await;
    assert!(acknowledged.is_subset(&stored), "acknowledged and lost");
    let mut unheard = 0;
    for event in &events {
        let outcome = server.outcome(event).await;
        let known = acknowledged.contains(event["id"].as_str().unwrap());
        assert!(
            outcome == "duplicate" || (outcome == "applied" && !known),
            "{outcome}"
        );
        unheard += usize::from(outcome == "duplicate" && !known);
    }
    eprintln!("{unheard} were committed for clients that did not hear of it, none twice");
    if installation.engine() == Engine::Postgres {
        let connections = "select count(*) from pg_stat_activity
            where datname = current_database() and application_name = 'queue'";
        let connections = installation.count(connections).await;
        assert!((1..=at_most).contains(&connections), "{connections}");
    }
    installation.assert_one_effect_each().await;
}

#[tokio::test]
async fn two_hundred_requests_on_a_pool_of_two_are_answered_in_time_and_probes_meanwhile() {
    let installation = Installation::new().with("DATABASE_MAX_CONNECTIONS", "2");
    let server = installation.serve().await;
    let mut requests = JoinSet::new();
    for event in events().into_iter().take(200) {
        let (client, body) = (server.client.clone(), event.to_string());
        let url = server.url("/api/v1/billing/webhook");
        requests.spawn(async move {
            let header = sign(body.as_bytes(), jiff::Timestamp::now());
            let request = client.post(url).header("stripe-signature", header);
            let began = Instant::now();
            let status = request.body(body).send().await.unwrap().status();
            (status.as_u16(), began.elapsed())
        });
    }
    let mut probes = 0;
    let (mut counts, mut slowest) = (BTreeMap::new(), Duration::ZERO);
    while !requests.is_empty() {
        let began = Instant::now();
        assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
        let elapsed = began.elapsed();
        assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
        probes += 1;
        while let Some(answered) = requests.try_join_next() {
            let (status, elapsed) = answered.unwrap();
            *counts.entry(status).or_insert(0) += 1;
            slowest = slowest.max(elapsed);
        }
    }
    eprintln!("200 requests at once: {counts:?}, the slowest {slowest:?}; {probes} probes");
    let told = counts.keys().all(|status| matches!(status, 200 | 503));
    assert!(told, "{counts:?}");
    assert!(slowest < IN_TIME, "{slowest:?}");
}
