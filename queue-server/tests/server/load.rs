//! Load, and what must be true of the answers to it, whatever happens meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::kill::{deliver_all, stored_events};
use crate::support::{Installation, Server, eventually, outcome_of, sign};

/// What Stripe's patience asks for.
pub(crate) const IN_TIME: Duration = Duration::from_secs(10);

/// Senders that go round the same events until they are told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    refused: Arc<AtomicBool>,
    senders: Vec<JoinHandle<Sent>>,
}

/// What came back.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) acknowledged: BTreeSet<String>,
    pub(crate) statuses: BTreeMap<u16, usize>,
    slowest: Duration,
    /// Acknowledged, and yet not known when they came again.
    lost: usize,
}

impl Sent {
    pub(crate) fn add(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.lost += other.lost;
        self.slowest = self.slowest.max(other.slowest);
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
    }
}

impl Load {
    pub(crate) fn start(server: &Server, events: &[Value]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let refused = Arc::new(AtomicBool::new(false));
        let senders = (0..16).map(|sender| {
            let share: Vec<Value> = events.iter().skip(sender).step_by(16).cloned().collect();
            let (client, url) = (server.client.clone(), server.url("/api/v1/billing/webhook"));
            let (stop, refused) = (Arc::clone(&stop), Arc::clone(&refused));
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
                    let response = request.body(body).send().await.unwrap();
                    let status = response.status();
                    sent.slowest = sent.slowest.max(began.elapsed());
                    *sent.statuses.entry(status.as_u16()).or_default() += 1;
                    if status == StatusCode::OK {
                        let id = event["id"].as_str().unwrap().to_owned();
                        let known = !sent.acknowledged.insert(id);
                        if known && outcome_of(response).await != "duplicate" {
                            sent.lost += 1;
                        }
                    } else {
                        refused.store(true, Ordering::Relaxed);
                    }
                }
                sent
            })
        });
        let senders = senders.collect();
        Self {
            stop,
            refused,
            senders,
        }
    }

    /// Whether any of it was.
    pub(crate) fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// What all of them sent. Each answer was 200 or 503, and in time.
    pub(crate) async fn end(self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Sent::default();
        for sender in self.senders {
            all.add(sender.await.unwrap());
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
pub(crate) async fn assert_alive(server: &Server) {
    let began = Instant::now();
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

/// What was acknowledged is there, once; the rest is taken now, and the mirror follows.
pub(crate) async fn assert_nothing_lost(
    installation: &Installation,
    server: &Server,
    events: &[Value],
    sent: &Sent,
) {
    let stored = stored_events(installation).await;
    let lost = sent.lost + sent.acknowledged.difference(&stored).count();
    eprintln!(
        "answers {:?}, the slowest after {:?}; {} events acknowledged, {lost} lost",
        sent.statuses,
        sent.slowest,
        sent.acknowledged.len()
    );
    assert_eq!(lost, 0);
    eventually("it takes all without a restart", async || {
        deliver_all(server, events).await.len() == events.len()
    })
    .await;
    installation.assert_one_effect_each().await;
    installation.assert_mirrored(events.len() / 2).await;
}
