//! What a dying server may lose: nothing that it acknowledged (C1), and what a stopping one does.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::chance::Chance;
use crate::lock::Lock;
use crate::support::{
    Installation, Server, customer_created, eventually, outcome_of, sign, subscription_created,
};

const CUSTOMERS: usize = 400;
/// How often it is killed, each time under events that it has not seen.
const ROUNDS: usize = 6;
const CUSTOMERS_OF_A_ROUND: usize = 100;
/// Deliveries that a stopping server has in flight.
const IN_FLIGHT: usize = 50;

pub(crate) fn events() -> Vec<Value> {
    events_of(0..CUSTOMERS)
}

/// Two for each customer.
pub(crate) fn events_of(customers: Range<usize>) -> Vec<Value> {
    customers
        .flat_map(|n| {
            let (customer, user) = (format!("cus_{n}"), format!("user-{n}"));
            [
                customer_created(&format!("evt_c{n}"), &customer, &user),
                subscription_created(&format!("evt_s{n}"), &customer, "active"),
            ]
        })
        .collect()
}

/// What became of deliveries.
#[derive(Default)]
pub(crate) struct Delivered {
    pub(crate) acknowledged: BTreeSet<String>,
    /// Answered with something else.
    pub(crate) unacknowledged: usize,
    /// Begun, and never answered.
    pub(crate) broken_off: usize,
    /// Nobody listened.
    pub(crate) refused: usize,
}

impl Delivered {
    fn add(&mut self, event: &Value, answer: &reqwest::Result<reqwest::Response>) {
        match answer {
            Ok(response) if response.status() == StatusCode::OK => {
                let id = event["id"].as_str().unwrap().to_owned();
                self.acknowledged.insert(id);
            }
            Ok(_) => self.unacknowledged += 1,
            Err(error) if error.is_connect() => self.refused += 1,
            Err(_) => self.broken_off += 1,
        }
    }
}

/// Delivers events from 16 senders at once; returns the ids of those that were acknowledged.
pub(crate) async fn deliver_all(server: &Server, events: &[Value]) -> BTreeSet<String> {
    let delivered = deliver_and_count(server, events, &Arc::default()).await;
    delivered.acknowledged
}

/// The same, counting acknowledgements as they come.
async fn deliver_and_count(
    server: &Server,
    events: &[Value],
    acknowledged: &Arc<AtomicUsize>,
) -> Delivered {
    let mut senders = JoinSet::new();
    for sender in 0..16 {
        let share: Vec<Value> = events.iter().skip(sender).step_by(16).cloned().collect();
        let (client, url) = (server.client.clone(), server.url("/api/v1/billing/webhook"));
        let acknowledged = Arc::clone(acknowledged);
        senders.spawn(async move {
            let mut delivered = Delivered::default();
            for event in share {
                let body = event.to_string();
                let header = sign(body.as_bytes(), jiff::Timestamp::now());
                let request = client.post(&url).header("stripe-signature", header);
                let answer = request.body(body).send().await;
                let before = delivered.acknowledged.len();
                delivered.add(&event, &answer);
                acknowledged.fetch_add(delivered.acknowledged.len() - before, Ordering::Relaxed);
            }
            delivered
        });
    }
    let mut all = Delivered::default();
    for delivered in senders.join_all().await {
        all.acknowledged.extend(delivered.acknowledged);
        all.unacknowledged += delivered.unacknowledged;
        all.broken_off += delivered.broken_off;
        all.refused += delivered.refused;
    }
    all
}

/// Delivers events to a server that is killed in the midst of it: after so many acknowledgements,
/// and a moment later.
async fn deliver_and_kill(
    server: Server,
    events: &[Value],
    after: usize,
    later: Duration,
) -> Delivered {
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let killer = tokio::spawn({
        let acknowledged = Arc::clone(&acknowledged);
        let process = server.process_id().parse().unwrap();
        async move {
            while acknowledged.load(Ordering::Relaxed) < after {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(later).await;
            kill_process(Pid::from_raw(process).unwrap(), Signal::KILL).unwrap();
        }
    });
    let delivered = deliver_and_count(&server, events, &acknowledged).await;
    killer.await.unwrap();
    delivered
}

#[tokio::test]
async fn kill_dash_nine_under_load_loses_nothing_that_was_acknowledged() {
    let mut chance = Chance::new();
    let installation = Installation::new();
    let (mut events, mut acknowledged) = (Vec::new(), BTreeSet::new());
    let mut broken_off = 0;
    for round in 0..ROUNDS {
        let first = round * CUSTOMERS_OF_A_ROUND;
        let fresh = events_of(first..first + CUSTOMERS_OF_A_ROUND);
        // In the first half, so that there is more to come however slow whoever kills it is.
        let after = chance.number(1..fresh.len() / 2);
        let later = chance.microseconds(0..5000);
        let server = installation.serve().await;
        let delivered = deliver_and_kill(server, &fresh, after, later).await;
        eprintln!(
            "round {round}, killed {later:?} after {after} of {}: {} acknowledged, {} answered \
             otherwise, {} in flight, {} not sent",
            fresh.len(),
            delivered.acknowledged.len(),
            delivered.unacknowledged,
            delivered.broken_off,
            delivered.refused
        );
        assert!(delivered.acknowledged.len() >= after);
        assert!(
            delivered.broken_off + delivered.refused > 0,
            "it died after the load"
        );
        broken_off += delivered.broken_off;
        acknowledged.extend(delivered.acknowledged);
        events.extend(fresh);
        let stored = stored_events(&installation).await;
        let lost: Vec<_> = acknowledged.difference(&stored).collect();
        assert!(
            lost.is_empty(),
            "acknowledged and lost in round {round}: {lost:?}"
        );
        installation.assert_one_effect_each().await;
    }
    assert!(
        broken_off > 0,
        "it was never killed with anything in flight"
    );

    let server = installation.serve().await;
    let mut outcomes = BTreeMap::new();
    for event in &events {
        let outcome = outcome_of(server.deliver(event).await).await;
        let known = acknowledged.contains(event["id"].as_str().unwrap());
        assert!(!known || outcome == "duplicate", "{event}: {outcome}");
        *outcomes.entry(outcome).or_insert(0) += 1;
    }
    eprintln!(
        "{ROUNDS} kills, {broken_off} deliveries in flight; {} of {} acknowledged, 0 lost; \
         again: {outcomes:?}",
        acknowledged.len(),
        events.len()
    );
    assert_eq!(stored_events(&installation).await.len(), events.len());
    installation
        .assert_mirrored(ROUNDS * CUSTOMERS_OF_A_ROUND)
        .await;
    installation.assert_one_effect_each().await;
}

pub(crate) async fn stored_events(installation: &Installation) -> BTreeSet<String> {
    let query = sqlx::query_scalar("select event_id from processed_stripe_events");
    query
        .fetch_all(&installation.database().await)
        .await
        .unwrap()
        .into_iter()
        .collect()
}

/// SIGTERM while so many deliveries wait for a commit: the first for a lock, the others for the
/// first. What became of them, and the server's exit code, if the lock is released then or not.
async fn stop_in_flight(
    installation: &Installation,
    events: &[Value],
    release: bool,
) -> (Delivered, Option<i32>) {
    let mut server = installation.serve().await;
    let lock = Lock::take(installation).await;
    let mut deliveries = JoinSet::new();
    let mut send = |event: &Value| {
        let (client, url) = (server.client.clone(), server.url("/api/v1/billing/webhook"));
        let event = event.clone();
        deliveries.spawn(async move {
            let body = event.to_string();
            let header = sign(body.as_bytes(), jiff::Timestamp::now());
            let request = client.post(url).header("stripe-signature", header);
            let answer = request.body(body).send().await;
            (event, answer)
        });
    };
    let begun = server.metric("billing_batch_size_count").await;
    let (first, others) = events.split_first().unwrap();
    send(first);
    eventually("the first one is begun", async || {
        server.metric("billing_batch_size_count").await > begun
    })
    .await;
    others.iter().for_each(&mut send);
    eventually("the others wait", async || {
        server.metric("billing_queue_depth").await == Some(others.len() as f64)
    })
    .await;
    server.terminate().await;
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    // By a connection of its own: one that is kept alive may be used just as it is closed.
    eventually("nobody else is let in", async || {
        TcpStream::connect(&address).await.is_err()
    })
    .await;
    let held = match release {
        true => {
            lock.release().await;
            None
        }
        false => Some(lock),
    };
    let mut delivered = Delivered::default();
    for (event, answer) in deliveries.join_all().await {
        delivered.add(&event, &answer);
    }
    let code = server.exit_code().await;
    if let Some(lock) = held {
        lock.release().await;
    }
    (delivered, code)
}

#[tokio::test]
async fn sigterm_answers_what_is_in_flight_and_exits_with_zero() {
    for release in [true, false] {
        let installation = Installation::new();
        let events = events_of(0..IN_FLIGHT / 2);
        let (delivered, code) = stop_in_flight(&installation, &events, release).await;
        let stored = stored_events(&installation).await;
        let lost = delivered.acknowledged.difference(&stored).count();
        eprintln!(
            "SIGTERM with {IN_FLIGHT} in flight, the database {}: {} acknowledged, {lost} lost, \
             {} answered otherwise, {} dropped",
            if release { "goes on" } else { "hangs" },
            delivered.acknowledged.len(),
            delivered.unacknowledged,
            delivered.broken_off + delivered.refused
        );
        assert_eq!(delivered.broken_off + delivered.refused, 0, "not answered");
        assert_eq!(lost, 0);
        let expected = if release { IN_FLIGHT } else { 0 };
        assert_eq!(delivered.acknowledged.len(), expected);
        assert_eq!(code, Some(0), "{}", installation.log());
        assert!(installation.log().contains("stopped"));
        let server = installation.serve().await;
        for event in &events {
            let outcome = server.outcome(event).await;
            assert_eq!(outcome, if release { "duplicate" } else { "applied" });
        }
        installation.assert_mirrored(IN_FLIGHT / 2).await;
        installation.assert_one_effect_each().await;
    }
}

/// Needs the feature `failpoints`, which `--all-features` has.
#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_death_at_any_point_is_as_if_all_or_nothing_had_happened() {
    for (point, after_restart) in [
        ("after_claim", "applied"),
        ("after_load", "applied"),
        ("before_commit", "applied"),
        ("after_commit", "duplicate"),
        ("before_answer", "duplicate"),
    ] {
        let installation = Installation::new().with("QUEUE_ABORT_AT", point);
        let mut server = installation.serve().await;
        let created = customer_created("evt_1", "cus_1", "user-1");
        assert!(
            server.try_deliver(&created).await.is_err(),
            "{point}: answered"
        );
        assert_eq!(server.exit_code().await, None, "{point}: it was no signal");
        let installation = installation.without("QUEUE_ABORT_AT");
        let server = installation.serve().await;
        for outcome in [after_restart, "duplicate"] {
            assert_eq!(server.outcome(&created).await, outcome, "{point}");
        }
        let effects = installation
            .count("select count(*) from billing_action_log")
            .await;
        eprintln!("death {point}: not answered; again: {after_restart}, {effects} effects");
        assert_eq!(effects, 2, "{point}");
        let mirrored = "select count(*) from billing_subscription_mirror where status = 'none'";
        eventually("the row reaches the mirror", async || {
            installation.count(mirrored).await == 1
        })
        .await;
        installation.assert_one_effect_each().await;
    }
}
