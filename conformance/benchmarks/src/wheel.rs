//! The Python wheel's gate, measured by a program in Python.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// What `python/wheel.py` prints: seconds, and reads per second.
#[derive(Debug, Deserialize)]
pub struct Wheel {
    /// Over a bare ASGI application, for a path that is exempt.
    pub asgi_exempt: f64,
    /// Over a bare WSGI application, likewise.
    pub wsgi_exempt: f64,
    /// The whole refusal of a request without identity, over ASGI.
    pub asgi_refused: f64,
    /// The same over WSGI.
    pub wsgi_refused: f64,
    /// Decisions awaited per second, 32 in flight on uvloop.
    pub reads_per_second: f64,
    /// Rows fetched by asyncpg's pool, likewise.
    pub asyncpg_reads_per_second: f64,
    /// Half of the decisions that are awaited alone take no longer.
    pub read_median: f64,
    /// The same of asyncpg's pool.
    pub asyncpg_read_median: f64,
}

/// Measures with a Python that has the wheel and asyncpg, over a database with a mirror of so many customers.
pub fn measure(python: &Path, url: &str, customers: u64) -> Result<Wheel> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/wheel.py");
    let done = Command::new(python)
        .arg(program)
        .arg(url)
        .arg(customers.to_string())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{} does not start", python.display()))?;
    ensure!(
        done.status.success(),
        "the wheel was not measured: {}",
        done.status
    );
    Ok(serde_json::from_slice(&done.stdout)?)
}
