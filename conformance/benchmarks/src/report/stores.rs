//! What came of each store.

use std::fmt::Write;

use anyhow::Result;

use super::{Line, micros};
use crate::ingest::{FullLoad, Ingest};

/// Its lines in the table of targets.
pub(super) fn lines(store: &str, ingest: &Ingest) -> Vec<Line> {
    let (target, wanted) = match store {
        "SQLite" => ("≥ 8000", 8000.0),
        _ => ("≥ 10000", 10_000.0),
    };
    let mut lines = Vec::new();
    let slowest = ingest
        .growth
        .iter()
        .min_by(|one, other| one.rate.total_cmp(&other.rate));
    let updates = slowest.map(|point| {
        (
            "updates, at their slowest",
            point.rate,
            1e6 / point.in_store,
        )
    });
    let full_load = |events, load: &FullLoad| (events, load.run.rate(), load.limits.statements);
    let kinds = [
        full_load("sign-ups", &ingest.sign_ups),
        full_load("subscriptions of new customers", &ingest.subscriptions),
    ];
    for (events, rate, statements) in kinds.into_iter().chain(updates) {
        lines.push(Line {
            what: format!(
                "{store}: durable events per second through HTTP, 256 in flight: {events}"
            ),
            measured: format!("{rate:.0}; the statements alone {statements:.0}"),
            target,
            reached: rate / wanted,
        });
    }
    let ratio = ingest.alone.as_secs_f64() / ingest.bare.as_secs_f64();
    lines.push(Line {
        what: format!("{store}: one event in flight, beside the same statements issued bare"),
        measured: format!(
            "{ratio:.2} ({}, bare {})",
            micros(ingest.alone),
            micros(ingest.bare)
        ),
        target: "≤ 2.5",
        reached: 2.5 / ratio,
    });
    if let [first, .., last] = &ingest.growth[..] {
        let ratio = last.rate / first.rate;
        lines.push(Line {
            what: format!(
                "{store}: updates per second at {} customers beside {}",
                last.customers, first.customers
            ),
            measured: format!(
                "{ratio:.2} ({:.0}, {:.0}); the statements alone {:.2}",
                last.rate,
                first.rate,
                first.in_store / last.in_store
            ),
            target: "flat",
            reached: ratio.min(1.0),
        });
        let ratio = last.resident as f64 / first.resident as f64;
        lines.push(Line {
            what: format!(
                "{store}: the server's memory at {} customers beside {}",
                last.customers, first.customers
            ),
            measured: format!(
                "{ratio:.2} ({:.0} MB, {:.0} MB)",
                last.resident as f64 / 1e6,
                first.resident as f64 / 1e6
            ),
            target: "flat",
            reached: (1.0 / ratio).min(1.0),
        });
        let ratio = last.processor.server / first.processor.server;
        lines.push(Line {
            what: format!(
                "{store}: processor time per event at {} customers beside {}",
                last.customers, first.customers
            ),
            measured: format!(
                "{ratio:.2} ({:.0} µs, {:.0} µs)",
                last.processor.server, first.processor.server
            ),
            target: "flat",
            reached: (1.0 / ratio).min(1.0),
        });
    }
    lines.push(Line {
        what: format!(
            "{store}: the server's memory after {} events, at most",
            ingest.events
        ),
        measured: format!("{:.0} MB", ingest.peak as f64 / 1e6),
        target: "< 150 MB",
        reached: 150e6 / ingest.peak as f64,
    });
    lines
}

/// Its own tables.
pub(super) fn details(ingest: &Ingest) -> Result<String> {
    let mut text =
        String::from("| events | per second | half within | 99 % within |\n|---|---|---|---|\n");
    for (name, run) in [
        (
            "sign-ups: customer, subscription, first invoice",
            &ingest.sign_ups.run,
        ),
        ("subscriptions of new customers", &ingest.subscriptions.run),
    ] {
        let (half, most) = (run.percentile(0.5), run.percentile(0.99));
        writeln!(
            text,
            "| {name} | {:.0} | {} | {} |",
            run.rate(),
            micros(half),
            micros(most)
        )?;
    }
    text.push_str("\n| customers | updates per second | statements alone, each | server's processor time each | database's and kernel's | processors busy | server's memory | a page of a hundred | revenue of all |\n|---|---|---|---|---|---|---|---|---|\n");
    for point in &ingest.growth {
        writeln!(
            text,
            "| {} | {:.0} | {:.0} µs | {:.0} µs | {:.0} µs | {:.0} % | {:.0} MB | {} | {} |",
            point.customers,
            point.rate,
            point.in_store,
            point.processor.server,
            point.processor.rest,
            point.processor.busy * 100.0,
            point.resident as f64 / 1e6,
            micros(point.page),
            micros(point.revenue)
        )?;
    }
    Ok(text.trim_end().to_owned())
}
