//! Tables, and what differs from what it should be.

use std::fmt;

use billing_core::mirror::MirrorRow;
use comfy_table::{Table, presets};

/// What differs from what it should be; empty when all is well.
#[derive(Default)]
pub(super) struct Differences(Vec<String>);

impl Differences {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes a difference, and marks the cell that shows it.
    pub(super) fn check(&mut self, place: &str, what: &str, is: &str, should_be: &str) -> String {
        if is == should_be {
            return is.to_owned();
        }
        self.0.push(format!(
            "{place}: {what} is {is:?} and should be {should_be:?}"
        ));
        format!("{is}  ✗ should be {should_be}")
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{} differ from what they should be:",
            self.0.len()
        )?;
        self.0
            .iter()
            .try_for_each(|line| writeln!(formatter, "  {line}"))
    }
}

pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(header.to_vec());
    table
}

/// `tier/status` of a mirror row.
pub(super) fn show_row(row: Option<&MirrorRow>) -> String {
    row.map_or_else(
        || "no row".to_owned(),
        |row| format!("{}/{}", row.plan_tier, row.status),
    )
}
