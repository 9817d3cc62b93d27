//! A load generator: so many connections, one request in flight on each.
//!
//! It shares the machine with what it measures, so it does no more than needed: requests are bytes,
//! and of an answer it reads the status and the length.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use billing_core::signature::SigningKeys;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::event::{Event, SECRET};

/// How long what could not be made durable waits until it is sent again.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is sent at most.
const TRIES: u32 = 30;

/// What a run took.
#[derive(Debug, Default)]
pub struct Run {
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Each request's time, sorted.
    pub latencies: Vec<Duration>,
}

impl Run {
    /// Requests per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The time that a share of the requests took at most.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * share).round() as usize;
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

/// Sends the events of the numbers 0 to `count`, so many at once. Each must be taken; what is answered with 503, as when
/// the disk stood still, is sent again, and told of.
pub async fn run(
    address: &str,
    in_flight: usize,
    count: u64,
    event: impl Fn(u64) -> Event + Send + Sync + 'static,
) -> Result<Run> {
    let keys = Arc::new(SigningKeys::parse(SECRET)?);
    let (next, event) = (Arc::new(AtomicU64::new(0)), Arc::new(event));
    let mut connections = JoinSet::new();
    let began = Instant::now();
    for _ in 0..in_flight {
        let (next, event, keys) = (Arc::clone(&next), Arc::clone(&event), Arc::clone(&keys));
        let mut connection = Connection::open(address).await?;
        connections.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(latencies);
                }
                let request = event(number).request(&keys);
                let began = Instant::now();
                let mut tries = 0;
                while !connection.send(&request).await? {
                    tries += 1;
                    ensure!(tries < TRIES, "an event was never taken");
                    eprintln!("    an event could not be made durable, and is sent again");
                    sleep(PATIENCE).await;
                }
                latencies.push(began.elapsed());
            }
        });
    }
    let mut latencies = Vec::with_capacity(usize::try_from(count)?);
    while let Some(result) = connections.join_next().await {
        latencies.extend(result??);
    }
    let elapsed = began.elapsed();
    latencies.sort();
    Ok(Run { elapsed, latencies })
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(1024),
        })
    }

    /// Whether it was taken.
    async fn send(&mut self, request: &[u8]) -> Result<bool> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server hung up");
            }
            if let Some(answer) = complete(&self.buffer)? {
                let outcomes = ["applied", "stale", "duplicate"];
                let taken = outcomes.map(|outcome| format!(r#"{{"outcome":"{outcome}"}}"#));
                if taken.iter().any(|taken| taken.as_bytes() == answer) {
                    return Ok(true);
                }
                if self.buffer.starts_with(b"HTTP/1.1 503") {
                    return Ok(false);
                }
                bail!("not taken: {}", String::from_utf8_lossy(&self.buffer));
            }
        }
    }
}

/// The body of an answer, once all of it is there.
fn complete(bytes: &[u8]) -> Result<Option<&[u8]>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end])?;
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .context("an answer has a length")?
        .parse()?;
    Ok(bytes.get(end + 4..end + 4 + length))
}
