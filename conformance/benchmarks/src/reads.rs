//! Reads of the mirror through the tower layer, as a gated service makes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use billing_core::id::CustomerId;
use billing_core::mirror::{MirrorReader, SqlMirror};
use futures::future::try_join_all;
use http::{Request, Response, request::Parts};
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt, service_fn};
use tower_paywall::{Gate, PaywallLayer, Tier};

/// Queries that the gate makes at once.
const QUERIES_AT_ONCE: usize = 2;

/// Reads per second.
#[derive(Debug)]
pub struct Reads {
    /// Each read a query of its own, on as many connections as there are reads.
    pub one_by_one: f64,
    /// Gathered.
    pub gathered: f64,
    /// Rows of the same queries by themselves: no gate, nobody who waits, nothing decoded.
    pub bare: f64,
}

/// Measures reads of customers 0 to `customers`, so many at once, in turns of each kind.
pub async fn measure(url: &str, customers: u64, in_flight: usize, turn: Duration) -> Result<Reads> {
    let mirror = SqlMirror::open(url)?;
    let gathering = mirror.clone().coalescing(QUERIES_AT_ONCE);
    let options = PgPoolOptions::new().max_connections(QUERIES_AT_ONCE as u32);
    let pool = options.connect(url).await?;
    let (mut one_by_one, mut gathered, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        bare.push(bare_rate(&pool, customers, in_flight, turn).await?);
        one_by_one.push(rate(&mirror, customers, in_flight, turn).await?);
        gathered.push(rate(&gathering, customers, in_flight, turn).await?);
    }
    mirror.close().await;
    pool.close().await;
    Ok(Reads {
        one_by_one: middle(one_by_one),
        gathered: middle(gathered),
        bare: middle(bare),
    })
}

fn middle(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// The ids of customers that a lane reads, one after the other.
fn read_by(lane: u64, customers: u64) -> impl Iterator<Item = String> {
    let first = lane * 7919 + 104_729;
    (first..)
        .step_by(104_729)
        .map(move |number| format!("stripe:cus_{}", number % customers))
}

/// Rows a second of queries that ask for as many rows as are in flight, divided among the connections.
async fn bare_rate(pool: &PgPool, customers: u64, in_flight: usize, turn: Duration) -> Result<f64> {
    let began = Instant::now();
    let lanes = (0..QUERIES_AT_ONCE as u64).map(async |lane| {
        let mut ids = read_by(lane, customers);
        let mut done = 0;
        while began.elapsed() < turn {
            let asked: Vec<String> = ids.by_ref().take(in_flight / QUERIES_AT_ONCE).collect();
            let query =
                "select * from billing_subscription_mirror where queue_customer_id = any($1)";
            let rows = sqlx::query(query).bind(&asked).fetch_all(pool).await?;
            ensure!(rows.len() == asked.len(), "a customer has no row");
            done += rows.len();
        }
        anyhow::Ok(done)
    });
    let done: usize = try_join_all(lanes).await?.into_iter().sum();
    Ok(done as f64 / began.elapsed().as_secs_f64())
}

async fn rate<R>(reader: &R, customers: u64, in_flight: usize, turn: Duration) -> Result<f64>
where
    R: MirrorReader + Clone + Send + Sync + 'static,
{
    let paywall = PaywallLayer::new(reader.clone(), Gate::new(Tier::parse("pro")?)?)
        .read_timeout(Duration::from_secs(30))
        .identity(|request: &Parts| request.extensions.get().cloned());
    let service = paywall.layer(service_fn(async |_: Request<()>| {
        Ok::<_, std::convert::Infallible>(Response::new(()))
    }));
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut readers = JoinSet::new();
    for lane in 0..in_flight as u64 {
        let (service, done) = (service.clone(), Arc::clone(&done));
        readers.spawn(async move {
            for id in read_by(lane, customers).take_while(|_| began.elapsed() < turn) {
                let customer = CustomerId::parse(id)?;
                let mut request = Request::get("/reports").body(())?;
                request.extensions_mut().insert(customer);
                let response = service.clone().oneshot(request).await?;
                ensure!(
                    response.status() == 200,
                    "a customer who has paid was refused"
                );
                done.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    while let Some(result) = readers.join_next().await {
        result??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
}
