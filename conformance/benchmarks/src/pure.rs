//! What `benches/pure.rs` measured, as criterion keeps it.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Nanoseconds that a benchmark takes: the median.
pub fn nanoseconds(criterion: &Path, group: &str, benchmark: &str) -> Result<f64> {
    let path = criterion
        .join(group)
        .join(benchmark)
        .join("new/estimates.json");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{} is not there: run the benchmark `pure`", path.display()))?;
    let estimates: Value = serde_json::from_str(&text)?;
    estimates["median"]["point_estimate"]
        .as_f64()
        .context("criterion tells a median")
}
