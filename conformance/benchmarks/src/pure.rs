//! What `benches/pure.rs` measured, as criterion keeps it.

use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Nanoseconds that a benchmark takes: the median of its fastest round. What else runs on the machine makes rounds
/// slower, never faster, and can last longer than what two benchmarks that are compared take.
pub fn nanoseconds(criterion: &Path, group: &str, benchmark: &str) -> Result<f64> {
    Ok(*rounds(criterion, group, benchmark)?.start())
}

/// The medians of a benchmark's fastest round and of its slowest, in nanoseconds.
pub fn rounds(criterion: &Path, group: &str, benchmark: &str) -> Result<RangeInclusive<f64>> {
    let folder = criterion.join(group).join(benchmark);
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    let entries = std::fs::read_dir(&folder).with_context(|| {
        format!(
            "{} is not there: run the benchmark `pure`",
            folder.display()
        )
    })?;
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with("round-") {
            continue;
        }
        let text = std::fs::read_to_string(entry.path().join("estimates.json"))?;
        let estimates: Value = serde_json::from_str(&text)?;
        let median = estimates["median"]["point_estimate"]
            .as_f64()
            .context("criterion tells a median")?;
        (least, most) = (least.min(median), most.max(median));
    }
    anyhow::ensure!(most > 0.0, "{} holds no round", folder.display());
    Ok(least..=most)
}
