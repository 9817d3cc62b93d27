//! What it all ran on.

use std::fs::read_to_string;

use anyhow::{Context, Result};

/// The machine, in a sentence.
#[must_use]
pub fn describe() -> String {
    let cpu = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = value(&cpu, "model name").unwrap_or("an unknown processor");
    // Intel's and AMD's, or else ARM's.
    let flags = value(&cpu, "flags").or_else(|| value(&cpu, "Features"));
    let mut flags = flags.unwrap_or_default().split(' ');
    let sha = match flags.any(|flag| matches!(flag, "sha_ni" | "sha2")) {
        true => "with",
        false => "without",
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = read_to_string("/proc/meminfo").unwrap_or_default();
    let gibibytes = value(&memory, "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
        .unwrap_or_default()
        >> 20;
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{model} ({sha} instructions for SHA-256), {cores} cores, {gibibytes} GiB of memory, Linux {}",
        kernel.trim()
    )
}

/// How many processes or threads want to run, on average of the last minute.
#[must_use]
pub fn load() -> f64 {
    let text = read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|load| load.parse().ok())
        .unwrap_or_default()
}

/// Seconds for which all processors together were busy and idle, since the machine started.
pub fn processor_seconds() -> Result<(f64, f64)> {
    let stat = read_to_string("/proc/stat")?;
    let line = stat
        .lines()
        .next()
        .context("/proc/stat tells of all processors")?;
    let ticks: Vec<f64> = line
        .split_whitespace()
        .skip(1)
        .flat_map(str::parse)
        .collect();
    // user, nice, system, idle, iowait, irq, softirq, steal
    let [user, nice, system, idle, waiting, irq, softirq, ..] = ticks[..] else {
        anyhow::bail!("/proc/stat has another form");
    };
    Ok((
        (user + nice + system + irq + softirq) / 100.0,
        (idle + waiting) / 100.0,
    ))
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}
