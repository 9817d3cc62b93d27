//! Reads of the mirror, as a gate makes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use billing_core::id::CustomerId;
use billing_core::mirror::{MirrorReader, SqlMirror};
use tokio::task::JoinSet;

/// Queries that the gate makes at once.
const QUERIES_AT_ONCE: usize = 2;

/// Reads per second.
#[derive(Debug)]
pub struct Reads {
    /// Each read a query of its own, on as many connections as there are reads.
    pub one_by_one: f64,
    /// Gathered.
    pub gathered: f64,
}

/// Measures reads of customers 0 to `customers`, so many at once, in turns of either kind.
pub async fn measure(url: &str, customers: u64, in_flight: usize, turn: Duration) -> Result<Reads> {
    let mirror = SqlMirror::open(url)?;
    let gathering = mirror.clone().coalescing(QUERIES_AT_ONCE);
    let (mut one_by_one, mut gathered) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        one_by_one.push(rate(&mirror, customers, in_flight, turn).await?);
        gathered.push(rate(&gathering, customers, in_flight, turn).await?);
    }
    mirror.close().await;
    Ok(Reads {
        one_by_one: middle(one_by_one),
        gathered: middle(gathered),
    })
}

fn middle(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

async fn rate<R>(reader: &R, customers: u64, in_flight: usize, turn: Duration) -> Result<f64>
where
    R: MirrorReader + Clone + Send + Sync + 'static,
{
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut readers = JoinSet::new();
    for lane in 0..in_flight as u64 {
        let (reader, done) = (reader.clone(), Arc::clone(&done));
        readers.spawn(async move {
            let mut number = lane * 7919;
            while began.elapsed() < turn {
                number = (number + 104_729) % customers;
                let customer = CustomerId::parse(format!("stripe:cus_{number}"))?;
                reader.read(&customer).await?.context("a row is missing")?;
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
