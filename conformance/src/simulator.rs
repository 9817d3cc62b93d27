//! A stateful, clock-driven Stripe account behind Stripe's own HTTP API.
//!
//! It keeps customers, cards, prices, subscriptions and invoices, lets them live through renewals and failed
//! payments on test clocks, and delivers signed webhooks in either of the two API shapes. What it is
//! not is listed in the crate's README.
//!
//! 1. One request, or one tick of a clock, changes the account at a time.
//! 2. An event is rendered at the moment it happens, in both shapes, and never again.
//! 3. Ids follow from the seed and the order of the requests. (Timestamps off test clocks are real time.)
//! 4. What Stripe can do and this can't is refused with a message that says so, wherever that is cheap;
//!    parameters without an effect on billing are accepted and ignored.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

mod agenda;
mod call;
mod card;
mod checkout;
mod config;
mod coupon;
mod created;
mod customer;
mod delivery;
mod difference;
mod error;
mod event;
mod expand;
mod failure;
mod form;
mod http;
mod id;
mod idempotency;
mod invoice;
mod invoice_item;
mod latency;
mod object;
mod page;
mod payment_intent;
mod payment_method;
mod portal;
mod price;
mod product;
mod rate_limit;
mod request_log;
mod routes;
mod shape;
mod shelf;
mod signing;
mod subscription;
mod test_clock;
mod webhook_endpoint;
mod world;

pub use config::{AfterLastRetry, SimulatorConfig};
pub use delivery::{Delivery, DeliveryPolicy};
pub use event::Event;
pub use failure::{Failure, FailureKind, When};
pub use request_log::ReceivedRequest;
pub use shape::ApiVersion;
pub use signing::signature_header;
pub use webhook_endpoint::Endpoint;

use config::Rules;
use delivery::{DeliveryDesk, lock};
use failure::Failures;
use http::{Account, Front};
use latency::Latency;
use object::Object;
use rate_limit::RateLimit;
use request_log::RequestLog;
use world::World;

/// How often real time is looked at for what has fallen due.
const TICK: Duration = Duration::from_secs(1);
/// How long a shutdown waits for requests that are being answered.
const GRACE: Duration = Duration::from_secs(2);

/// A running simulator. Dropping it stops it; [`Simulator::shutdown`] does so in good order.
pub struct Simulator {
    account: Arc<Mutex<Account>>,
    desk: DeliveryDesk,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    ticker: JoinHandle<()>,
}

impl Simulator {
    /// Binds and starts answering.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub async fn start(config: SimulatorConfig) -> anyhow::Result<Self> {
        let desk = DeliveryDesk::open(config.delivery.clone())?;
        let listener = TcpListener::bind(config.listen).await;
        let listener =
            listener.with_context(|| format!("the simulator can't listen on {}", config.listen))?;
        let address = listener.local_addr()?;
        let rules = Rules::new(&config, address);
        let account = Arc::new(Mutex::new(Account {
            world: World::new(rules, config.seed, desk.clone()),
            replays: idempotency::Replays::default(),
            log: RequestLog::default(),
            failures: Failures::default(),
            rate_limit: RateLimit::new(config.requests_per_second),
            latency: Latency::new(config.latency.clone(), config.seed),
        }));
        let (stop, stopped) = watch::channel(false);
        let front = Front::new(Arc::clone(&account), stopped.clone());
        let server = tokio::spawn(http::serve(listener, front, stopped));
        Ok(Self {
            ticker: tokio::spawn(tick(Arc::clone(&account))),
            account,
            desk,
            address,
            stop,
            server,
        })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a receiver of webhooks and returns its id. It is told of what happens from now on.
    ///
    /// Must be called within a Tokio runtime: the receiver gets a worker.
    pub fn add_endpoint(&self, endpoint: Endpoint) -> String {
        lock(&self.account)
            .world
            .add_endpoint(endpoint)
            .id()
            .to_owned()
    }

    /// All events so far, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        lock(&self.account).world.public_events()
    }

    /// Every request to the API so far, in the order in which they came.
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        lock(&self.account).log.all()
    }

    /// Makes requests fail. Of several failures that concern a request the one injected first strikes.
    pub fn inject(&self, failure: Failure) {
        lock(&self.account).failures.add(failure);
    }

    /// From now on no request fails on purpose.
    pub fn clear_failures(&self) {
        lock(&self.account).failures.clear();
    }

    /// Every attempt to deliver an event so far, in the order in which they ended.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.desk.deliveries()
    }

    /// Resolves when every event is acknowledged by, or given up for, every endpoint: nothing is queued,
    /// in flight, or waiting for a retry.
    pub async fn settled(&self) {
        self.desk.settled().await;
    }

    /// Waits until nothing is queued or in flight: each event has been tried at least once, and failed ones
    /// may still wait for their retry. False when that takes longer than `timeout`.
    pub async fn wait_until_idle(&self, timeout: Duration) -> bool {
        tokio::time::timeout(timeout, self.desk.idle())
            .await
            .is_ok()
    }

    /// Lets requests in progress end, then stops. What is queued for delivery is dropped: wait for
    /// [`Simulator::settled`] first if it matters.
    pub async fn shutdown(mut self) {
        self.stop.send(true).ok();
        drop(tokio::time::timeout(GRACE, &mut self.server).await);
        self.desk.close().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
        self.ticker.abort();
        self.desk.abort();
    }
}

async fn tick(account: Arc<Mutex<Account>>) {
    let mut interval = tokio::time::interval(TICK);
    loop {
        interval.tick().await;
        lock(&account).world.catch_up();
    }
}
