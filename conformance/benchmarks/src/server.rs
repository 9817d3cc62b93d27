//! A `queue-server` process, and what it uses up.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::event::{PRICE, SECRET};

/// A running server.
pub struct Server {
    process: Child,
    /// Where it listens: an address and a port.
    pub address: String,
}

/// Memory that a process has in use, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// The most that it ever had.
    pub peak: u64,
}

impl Server {
    /// Starts a server on a database.
    pub fn start(program: &Path, database_url: &str, folder: &Path) -> Result<Self> {
        let log = std::fs::File::create(folder.join("server.log"))?;
        let mut process = Command::new(program)
            .arg("serve")
            .env_clear()
            .envs([
                ("DATABASE_URL", database_url),
                ("STRIPE_WEBHOOK_SECRET", SECRET),
                ("QUEUE_INTERNAL_TOKEN", "token-of-the-benchmarks"),
                ("STRIPE_PRICE_ID_PRO", PRICE),
                ("STRIPE_PRICE_ID_PRO_PLUS", "price_pro_plus"),
                ("FLAG_QUEUE_BILLING", "true"),
                // Nothing of what a server does but once a day.
                ("MIRROR_COMPARE_EVERY_HOURS", "0"),
                ("HOST", "127.0.0.1"),
                ("PORT", "0"),
            ])
            .env("BILLING_AUDIT_KEY", "0f".repeat(31) + "aa")
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("can't start {}", program.display()))?;
        let stdout = process.stdout.take().context("its output is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let Some(address) = line.trim().strip_prefix("listening on http://") else {
            bail!("the server did not start: see its log");
        };
        Ok(Self {
            address: address.to_owned(),
            process,
        })
    }

    /// The memory it has in use.
    pub fn memory(&self) -> Result<Memory> {
        memory_of(&self.process.id().to_string())
    }

    /// Seconds of processor time that it used.
    pub fn processor_seconds(&self) -> Result<f64> {
        processor_seconds(&self.process.id().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The memory that a process has in use, by its id.
pub fn memory_of(process: &str) -> Result<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let kilobytes = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Ok(Memory {
        resident: kilobytes("VmRSS:").context("it runs")? * 1024,
        peak: kilobytes("VmHWM:").context("it runs")? * 1024,
    })
}

/// Seconds of processor time that a process used, by its id or `self`.
pub fn processor_seconds(process: &str) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit_once(')').context("a stat line has a name")?.1;
    let ticks: f64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Ok(ticks / 100.0)
}
