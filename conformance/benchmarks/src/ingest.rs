//! Events through the running server, durable when they are answered.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use billing_core::catalogue::{Catalogue, Tier, TierOrder};
use billing_core::id::PriceId;
use billing_core::policy::Policy;
use jiff::Timestamp;
use test_database::{Engine, TestDatabase};

use crate::bare::{Statements, time_in_store};
use crate::embedded;
use crate::event::{Event, Kind, PRICE};
use crate::load::{self, Run};
use crate::machine;
use crate::pages;
use crate::server::{Server, processor_seconds};

/// Requests in flight under full load.
pub const IN_FLIGHT: usize = 256;
/// The customers who sign up are others than those who were there.
const SIGN_UPS_FROM: u64 = 1_000_000_000;
/// How long ago all of it began, in seconds: events are not from the future.
const AGO: i64 = 50_000;

/// How much is sent.
#[derive(Debug, Clone)]
pub struct Amounts {
    /// Customers who sign up.
    pub sign_ups: u64,
    /// Numbers of customers at which updates are measured.
    pub customers: Vec<u64>,
    /// Updates at each.
    pub updates: u64,
    /// Events with one in flight.
    pub alone: u64,
}

/// What came out.
#[derive(Debug)]
pub struct Ingest {
    /// Sign-ups: three events each, close together.
    pub sign_ups: FullLoad,
    /// Subscriptions of new customers, up to the most customers.
    pub subscriptions: FullLoad,
    /// Updates of customers here and there, at each number of them.
    pub growth: Vec<Point>,
    /// The most memory that the server ever had in use, in bytes.
    pub peak: u64,
    /// Events in all.
    pub events: u64,
    /// One in flight, through HTTP: the middle.
    pub alone: Duration,
    /// The same statements by themselves: the middle.
    pub bare: Duration,
}

/// What came of one kind of events under full load.
#[derive(Debug)]
pub struct FullLoad {
    /// Through HTTP.
    pub run: Run,
    /// The processors' time meanwhile.
    pub processor: Processor,
    /// What no server could be faster than.
    pub limits: Limits,
}

/// What a store allows for one kind of events, from empty tables on, in events per second.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The statements by themselves, in batches as full load makes them.
    pub statements: f64,
    /// The ledger and its mirror in one process, without a server.
    pub embedded: f64,
}

/// Where the processor's time went, in microseconds per event.
#[derive(Debug)]
pub struct Processor {
    /// The server's.
    pub server: f64,
    /// The load generator's, which shares the machine.
    pub generator: f64,
    /// All else on the machine: the database, where it is another process, and the kernel's work.
    pub rest: f64,
    /// How much of all processors was in use, from 0 to 1.
    pub busy: f64,
}

impl Processor {
    /// Microseconds of the server, the generator, and the whole machine (busy, idle) so far.
    fn now(server: &Server) -> Result<[f64; 4]> {
        let (busy, idle) = machine::processor_seconds()?;
        let generator = processor_seconds("self")?;
        Ok([server.processor_seconds()?, generator, busy, idle].map(|seconds| seconds * 1e6))
    }

    fn since(before: [f64; 4], after: [f64; 4], events: u64) -> Self {
        let spent = |index: usize| after[index] - before[index];
        let per_event = |microseconds: f64| microseconds / events as f64;
        let (server, generator) = (spent(0), spent(1));
        Self {
            server: per_event(server),
            generator: per_event(generator),
            rest: per_event((spent(2) - server - generator).max(0.0)),
            busy: spent(2) / (spent(2) + spent(3)),
        }
    }
}

/// Updates at a number of customers.
#[derive(Debug)]
pub struct Point {
    /// How many.
    pub customers: u64,
    /// Events per second.
    pub rate: f64,
    /// How long the database took for each of more such updates, asked by a ledger without a server, in
    /// microseconds.
    pub in_store: f64,
    /// Where the processors' time went.
    pub processor: Processor,
    /// How long a page of them takes, of the kind that takes longest.
    pub page: Duration,
    /// How long the revenue of all of them takes, by the month of a year.
    pub revenue: Duration,
    /// The server's memory afterwards, in bytes.
    pub resident: u64,
}

/// Measures a store, and leaves the database with all its customers.
pub async fn measure(
    engine: Engine,
    program: &Path,
    amounts: &Amounts,
) -> Result<(Ingest, TestDatabase)> {
    let (alone, bare) = side_by_side(engine, program, amounts.alone).await?;
    let began = Timestamp::now().as_second() - AGO;
    let subscription = move |customer| Event {
        kind: Kind::SubscriptionCreated,
        customer,
        round: 0,
        created: began,
    };
    let new_customers = amounts.sign_ups;
    let signing_up = (0..new_customers * 3).map(move |n| sign_up(n, began));
    let sign_up_limits = limits(engine, signing_up).await?;
    let subscription_limits = limits(engine, (0..new_customers).map(subscription)).await?;
    let database = TestDatabase::new(engine);
    let server = Server::start(program, database.url(), &database.path(""))?;
    let signing_up = move |n| sign_up(n, began);
    let sign_ups = full_load(&server, new_customers * 3, sign_up_limits, signing_up).await?;
    let (mut known, mut growth) = (0, Vec::new());
    let mut subscriptions = None;
    for (round, customers) in (1..).zip(amounts.customers.iter().copied()) {
        let more = full_load(&server, customers - known, subscription_limits, move |n| {
            subscription(known + n)
        });
        subscriptions = Some(more.await?);
        known = customers;
        growth.push(
            updates(
                &server,
                database.url(),
                customers,
                round,
                began,
                amounts.updates,
            )
            .await?,
        );
        eprintln!(
            "      {customers} customers: {:.0} events/s",
            growth[growth.len() - 1].rate
        );
    }
    let ingest = Ingest {
        sign_ups,
        subscriptions: subscriptions.context("there is no number of customers")?,
        growth,
        peak: server.memory()?.peak,
        events: amounts.sign_ups * 3 + known + amounts.updates * amounts.customers.len() as u64,
        alone,
        bare,
    };
    Ok((ingest, database))
}

/// Updates of customers spread over all of them, each a second after the one before.
async fn updates(
    server: &Server,
    database: &str,
    customers: u64,
    round: u64,
    began: i64,
    count: u64,
) -> Result<Point> {
    let rounds = count / customers + 1;
    let stride = (customers / count).max(1);
    let update = move |n| Event {
        kind: Kind::SubscriptionUpdated,
        customer: (n * stride) % customers,
        round: round * 10_000 + n / customers,
        created: began + (round * rounds.max(100) + n / customers) as i64,
    };
    let before = Processor::now(server)?;
    let run = load::run(&server.address, IN_FLIGHT, count, update).await?;
    let processor = Processor::since(before, Processor::now(server)?, count);
    let resident = server.memory()?.resident;
    // Other customers than those just updated, where there are so many, as cold as those were.
    let more = count / 4;
    let again = move |n| Event {
        customer: (n * stride * 4 + stride / 2) % customers,
        round: round * 10_000 + 5000 + n * 4 / customers,
        created: began + (round * rounds.max(100) + rounds + n * 4 / customers) as i64,
        ..update(n)
    };
    let took = time_in_store(database, policy()?, (0..more).map(again), IN_FLIGHT).await?;
    Ok(Point {
        customers,
        rate: run.rate(),
        in_store: took.as_secs_f64() * 1e6 / more as f64,
        processor,
        page: pages::time(database, customers).await?,
        revenue: pages::time_revenue(database, &policy()?).await?,
        resident,
    })
}

/// One event in flight through HTTP, and the same statements by themselves, in turns.
async fn side_by_side(engine: Engine, program: &Path, count: u64) -> Result<(Duration, Duration)> {
    const TURNS: u64 = 10;
    let created = Timestamp::now().as_second() - AGO;
    let event = move |customer| Event {
        kind: Kind::SubscriptionCreated,
        customer,
        round: 0,
        created,
    };
    let (recorded_at, issued_to) = (TestDatabase::new(engine), TestDatabase::new(engine));
    let mut statements = Statements::record(
        recorded_at.url(),
        issued_to.url(),
        policy()?,
        (0..count).map(event),
        1,
    )
    .await?;
    let database = TestDatabase::new(engine);
    let server = Server::start(program, database.url(), &database.path(""))?;
    let (mut through_http, mut bare) = (Vec::new(), Vec::new());
    let turn = count / TURNS;
    for number in 0..TURNS {
        let began = Instant::now();
        let run = load::run(&server.address, 1, turn, move |n| event(number * turn + n)).await?;
        through_http.extend(run.latencies);
        // What was answered still goes to the mirror: the others' turn comes after that.
        tokio::time::sleep(began.elapsed().min(Duration::from_millis(200))).await;
        bare.extend(statements.issue(usize::try_from(turn)?).await?);
    }
    Ok((middle(through_http), middle(bare)))
}

/// Events through HTTP, as fast as they go.
async fn full_load(
    server: &Server,
    count: u64,
    limits: Limits,
    event: impl Fn(u64) -> Event + Send + Sync + 'static,
) -> Result<FullLoad> {
    let before = Processor::now(server)?;
    let run = load::run(&server.address, IN_FLIGHT, count, event).await?;
    Ok(FullLoad {
        run,
        processor: Processor::since(before, Processor::now(server)?, count),
        limits,
    })
}

/// What a store allows: the statements alone, from one connection; and a ledger and its mirror in one process, given
/// events that were verified and decoded beforehand.
async fn limits(engine: Engine, events: impl Iterator<Item = Event> + Clone) -> Result<Limits> {
    let count = events.clone().count() as f64;
    let (recorded_at, issued_to) = (TestDatabase::new(engine), TestDatabase::new(engine));
    let mut statements = Statements::record(
        recorded_at.url(),
        issued_to.url(),
        policy()?,
        events.clone(),
        IN_FLIGHT,
    )
    .await?;
    let times = statements.issue(usize::MAX).await?;
    let database = TestDatabase::new(engine);
    Ok(Limits {
        statements: count / times.iter().sum::<Duration>().as_secs_f64(),
        embedded: embedded::rate(database.url(), policy()?, events, IN_FLIGHT).await?,
    })
}

/// The three events of each customer who signs up, one after the other.
fn sign_up(number: u64, created: i64) -> Event {
    Event {
        kind: [
            Kind::CustomerCreated,
            Kind::SubscriptionCreated,
            Kind::InvoicePaid,
        ][(number % 3) as usize],
        customer: SIGN_UPS_FROM + number / 3,
        round: 0,
        created,
    }
}

pub(crate) fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The server's, without its environment.
pub(crate) fn policy() -> Result<Policy> {
    let catalogue = Catalogue::new(TierOrder::default());
    let catalogue = catalogue.with_price(PriceId::parse(PRICE)?, Tier::parse("pro")?)?;
    Ok(Policy::new(catalogue))
}
