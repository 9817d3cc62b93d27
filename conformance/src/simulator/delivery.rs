//! Delivers events to webhook endpoints and keeps a log of every attempt.
//!
//! 1. Each endpoint has a lane of its own; by default one request at a time, in the order of the events.
//! 2. Any 2xx acknowledges. Everything else, redirects included, is retried with exponential back-off.
//! 3. An event that waits for its retry lets the later ones pass (Stripe promises no order).
//! 4. The body of a retry is the same to the byte; the timestamp and the signature are new.
//!
//! Stripe itself retries for three days in live mode (and three times within a few hours in a
//! sandbox); [`DeliveryPolicy`] squeezes that into seconds so that tests can wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::client::client;

mod lane;

/// How webhooks are delivered and retried.
#[derive(Clone, Debug)]
pub struct DeliveryPolicy {
    /// The wait before the second attempt; each further wait is twice as long.
    pub first_retry: Duration,
    /// No wait is longer than this.
    pub longest_wait: Duration,
    /// After so many attempts an event is given up.
    pub max_attempts: u32,
    /// Requests in flight to one endpoint; more than one gives up the order.
    pub concurrency: usize,
    /// An endpoint that takes longer to answer has failed.
    pub timeout: Duration,
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self {
            first_retry: Duration::from_millis(200),
            longest_wait: Duration::from_secs(5),
            max_attempts: 12,
            concurrency: 1,
            timeout: Duration::from_secs(10),
        }
    }
}

impl DeliveryPolicy {
    fn wait_after(&self, attempt: u32) -> Duration {
        let doubled = 2u32.saturating_pow(attempt.saturating_sub(1));
        self.first_retry
            .saturating_mul(doubled)
            .min(self.longest_wait)
    }
}

/// One attempt to deliver one event to one endpoint.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// `evt_…`
    pub event_id: String,
    /// For example `invoice.paid`.
    pub event_type: String,
    /// The event's `created`, in Unix seconds on the object's clock.
    pub event_created: i64,
    /// The id of the event's `data.object`.
    pub object_id: String,
    /// The customer that the event is about.
    pub customer_id: Option<String>,
    /// Where it went.
    pub endpoint_url: String,
    /// 1 for the first.
    pub attempt: u32,
    /// The HTTP status, or why there was none.
    pub outcome: Result<u16, String>,
    /// The text of the response; empty when there was none.
    pub response_body: String,
    /// How long the endpoint took.
    pub duration: Duration,
}

impl Delivery {
    /// True for any 2xx.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        matches!(self.outcome, Ok(200..=299))
    }
}

/// An event on its way to one endpoint.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) event_id: String,
    pub(super) event_type: String,
    pub(super) event_created: i64,
    pub(super) object_id: String,
    pub(super) customer_id: Option<String>,
    pub(super) body: String,
}

/// Where a lane ends and how it signs.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) url: String,
    pub(super) secret: String,
}

/// How much is still to do, over all endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Backlog {
    /// Queued or in flight.
    active: usize,
    /// Failed, and waiting for the time of the next attempt.
    waiting: usize,
}

#[derive(Debug, Default)]
struct Records {
    deliveries: Vec<Delivery>,
    acknowledgements: HashMap<String, usize>,
}

/// The desk that all lanes report to.
#[derive(Clone)]
pub(super) struct DeliveryDesk {
    policy: DeliveryPolicy,
    client: reqwest::Client,
    records: Arc<Mutex<Records>>,
    backlog: Arc<watch::Sender<Backlog>>,
    lanes: Arc<Mutex<JoinSet<()>>>,
}

/// The way to one endpoint; closing it (dropping) lets what was queued still go out.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    queue: mpsc::UnboundedSender<Parcel>,
    backlog: Arc<watch::Sender<Backlog>>,
}

impl Lane {
    pub(super) fn send(&self, parcel: Parcel) {
        self.backlog.send_modify(|backlog| backlog.active += 1);
        if self.queue.send(parcel).is_err() {
            self.backlog.send_modify(|backlog| backlog.active -= 1);
        }
    }
}

impl DeliveryDesk {
    pub(super) fn open(policy: DeliveryPolicy) -> anyhow::Result<Self> {
        let client = client()
            .user_agent("Stripe/1.0 (+https://stripe.com/docs/webhooks)")
            .timeout(policy.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            policy,
            client,
            records: Arc::default(),
            backlog: Arc::new(watch::Sender::new(Backlog::default())),
            lanes: Arc::default(),
        })
    }

    /// Starts a lane's worker; must be called within the runtime.
    pub(super) fn open_lane(&self, destination: Destination) -> Lane {
        let (queue, parcels) = mpsc::unbounded_channel();
        let worker = lane::run(self.clone(), destination, parcels);
        lock(&self.lanes).spawn(worker);
        Lane {
            queue,
            backlog: Arc::clone(&self.backlog),
        }
    }

    fn record(&self, delivery: Delivery) {
        let mut records = lock(&self.records);
        if delivery.is_acknowledged() {
            *records
                .acknowledgements
                .entry(delivery.event_id.clone())
                .or_default() += 1;
        }
        records.deliveries.push(delivery);
    }

    pub(super) fn deliveries(&self) -> Vec<Delivery> {
        lock(&self.records).deliveries.clone()
    }

    pub(super) fn acknowledgements(&self, event_id: &str) -> usize {
        lock(&self.records)
            .acknowledgements
            .get(event_id)
            .copied()
            .unwrap_or(0)
    }

    /// Waits until nothing is queued, in flight or waiting for a retry.
    pub(super) async fn settled(&self) {
        let mut backlog = self.backlog.subscribe();
        // The sender lives as long as `self`: waiting can't fail.
        drop(
            backlog
                .wait_for(|backlog| *backlog == Backlog::default())
                .await,
        );
    }

    /// Waits until nothing is queued or in flight; retries may still wait for their time.
    pub(super) async fn idle(&self) {
        let mut backlog = self.backlog.subscribe();
        drop(backlog.wait_for(|backlog| backlog.active == 0).await);
    }

    pub(super) fn abort(&self) {
        lock(&self.lanes).abort_all();
    }

    pub(super) async fn close(&self) {
        let mut lanes = std::mem::take(&mut *lock(&self.lanes));
        lanes.shutdown().await;
    }
}

/// A panic elsewhere doesn't make the log unreadable.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
