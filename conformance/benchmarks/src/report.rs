//! `docs/PERFORMANCE.md`, and its plot.

mod composition;
mod imports;
mod stores;

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::ingest::Ingest;
use crate::pure::{nanoseconds, rounds};
use crate::reads::Reads;
use crate::reconcile::Import;
use crate::wheel::Wheel;

/// All that was measured.
#[derive(Debug)]
pub struct Report<'a> {
    /// Where criterion keeps what it measured, if that is wanted.
    pub criterion: Option<&'a Path>,
    /// The machine.
    pub machine: String,
    /// Of the events of a whole run, the Nth part was sent.
    pub part: u64,
    /// How busy it was before.
    pub load: f64,
    /// How long it takes to make a page durable.
    pub durable_write: Duration,
    /// Each store's name, and what came of it.
    pub stores: Vec<(&'static str, Ingest)>,
    /// Reads over PostgreSQL.
    pub reads: Option<Reads>,
    /// Imports of a small account and of a large one.
    pub imports: Vec<Import>,
    /// The Python wheel.
    pub wheel: Option<Wheel>,
}

/// A line of the table of targets.
struct Line {
    what: String,
    measured: String,
    target: &'static str,
    /// How much of the target was reached: 1 or more is all of it.
    reached: f64,
}

impl Report<'_> {
    /// The document.
    pub fn markdown(&self) -> Result<String> {
        let mut text = String::from(HEAD);
        writeln!(
            text,
            "Machine: {}. Load average before: {:.1}. Making a page of 8 KiB durable takes {}.\n",
            self.machine,
            self.load,
            micros(self.durable_write)
        )?;
        if let Some(criterion) = self.criterion {
            let steady = rounds(criterion, "verify_64_kib", "bare_mac")?;
            writeln!(
                text,
                "How steady it was: the bare HMAC of 64 KiB, which nothing of ours is in, took {:.0} to {:.0} µs in \
                 the rounds of the run.\n",
                steady.start() / 1000.0,
                steady.end() / 1000.0
            )?;
        }
        if self.part > 1 {
            writeln!(
                text,
                "Of the events of a whole run, 1 in {} was sent.\n",
                self.part
            )?;
        }
        writeln!(
            text,
            "| what | measured | target | reached |\n|---|---|---|---|"
        )?;
        for Line {
            what,
            measured,
            target,
            reached,
        } in self.lines()?
        {
            writeln!(
                text,
                "| {what} | {measured} | {target} | {:.0} % |",
                reached * 100.0
            )?;
        }
        for (store, ingest) in &self.stores {
            writeln!(text, "\n## {store}\n\n{}", stores::details(ingest)?)?;
        }
        text.push_str("\n## What the machine allows\n\n");
        if let Some(criterion) = self.criterion {
            text.push_str(&composition::of_pure_code(criterion)?);
        }
        text.push_str(&composition::of_stores(&self.stores)?);
        text.push_str(TAIL);
        Ok(text)
    }

    fn lines(&self) -> Result<Vec<Line>> {
        let mut lines = match self.criterion {
            Some(criterion) => pure_lines(criterion)?,
            None => Vec::new(),
        };
        for (store, ingest) in &self.stores {
            lines.extend(stores::lines(store, ingest));
        }
        if let Some(reads) = &self.reads {
            lines.push(Line {
                what:
                    "Tower layer over PostgreSQL: requests per second, 32 at once, reads gathered"
                        .to_owned(),
                measured: format!(
                    "{:.0}; the queries alone {:.0}; {:.0} as a query each",
                    reads.gathered, reads.bare, reads.one_by_one
                ),
                target: "≥ 40000",
                reached: reads.gathered / 40_000.0,
            });
        }
        if let Some(wheel) = &self.wheel {
            lines.extend(wheel_lines(wheel));
        }
        if let [few, many] = &self.imports[..] {
            lines.extend(imports::lines(few, many));
        }
        Ok(lines)
    }

    /// The plot: events per second by number of customers.
    pub fn plot(&self, path: &Path) -> Result<()> {
        let points = || self.stores.iter().flat_map(|(_, ingest)| &ingest.growth);
        let most = points().map(|point| point.customers).max().unwrap_or(1);
        let least = points().map(|point| point.customers).min().unwrap_or(1);
        let top = points().map(|point| point.rate).fold(10_000.0, f64::max) * 1.1;
        let failed = |error: DrawingAreaErrorKind<_>| anyhow!("the plot: {error}");
        let area = SVGBackend::new(path, (800, 400)).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(
                "Durable updates per second, 256 in flight",
                ("sans-serif", 18),
            )
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d((least..most).log_scale(), 0.0..top)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .x_desc("customers")
            .y_desc("events per second")
            .draw()
            .map_err(failed)?;
        for ((store, ingest), color) in self.stores.iter().zip([BLUE, RED]) {
            let line = ingest
                .growth
                .iter()
                .map(|point| (point.customers, point.rate));
            chart
                .draw_series(LineSeries::new(line, color.stroke_width(2)).point_size(3))
                .map_err(failed)?
                .label(*store)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color));
        }
        chart
            .configure_series_labels()
            .background_style(WHITE)
            .border_style(BLACK)
            .draw()
            .map_err(failed)?;
        area.present().map_err(failed)?;
        Ok(())
    }
}

fn pure_lines(criterion: &Path) -> Result<Vec<Line>> {
    let time = |group: &str, benchmark: &str| nanoseconds(criterion, group, benchmark);
    let mut lines = Vec::new();
    for kibibytes in [1, 4, 64] {
        let group = format!("verify_{kibibytes}_kib");
        let (bare, verify) = (time(&group, "bare_mac")?, time(&group, "verify")?);
        lines.push(Line {
            what: format!("Verify {kibibytes} KiB: speed beside the bare HMAC of the same bytes"),
            measured: format!("{:.2} ({verify:.0} ns, HMAC {bare:.0} ns)", bare / verify),
            target: "≥ 0.9",
            reached: bare / verify / 0.9,
        });
    }
    let group = "decode_subscription";
    let (tree, decode) = (time(group, "json_tree")?, time(group, "decode")?);
    lines.push(Line {
        what: "Decode a 5 KB subscription event: time beside a JSON tree of it".to_owned(),
        measured: format!("{:.2} ({decode:.0} ns, tree {tree:.0} ns)", decode / tree),
        target: "≤ 0.5",
        reached: 0.5 * tree / decode,
    });
    let (bare, both) = (time(group, "bare_mac")?, time(group, "verify_and_decode")?);
    lines.push(Line {
        what: "Verify and decode it: time beside the bare HMAC".to_owned(),
        measured: format!("{:.2} ({both:.0} ns, HMAC {bare:.0} ns)", both / bare),
        target: "≤ 3.5",
        reached: 3.5 * bare / both,
    });
    let over = time("gate", "gated_handler")? - time("gate", "handler")?;
    lines.push(Line {
        what: "Gate: time over the handler's, when the mirror answers from memory".to_owned(),
        measured: format!("{over:.0} ns"),
        target: "≤ 250 ns",
        reached: 250.0 / over,
    });
    Ok(lines)
}

fn wheel_lines(wheel: &Wheel) -> Vec<Line> {
    let microseconds = |seconds: f64| seconds * 1e6;
    let added = |skin: &str, exempt: f64, refused: f64, target: &'static str, wanted: f64| Line {
        what: format!("Wheel: what the {skin} wrapper adds to a bare call, no read needed"),
        measured: format!(
            "{:.2} µs; {:.1} µs to refuse somebody unknown",
            microseconds(exempt),
            microseconds(refused)
        ),
        target,
        reached: wanted / microseconds(exempt),
    };
    let ratio = wheel.reads_per_second / wheel.asyncpg_reads_per_second;
    let median = wheel.read_median / wheel.asyncpg_read_median;
    vec![
        added("ASGI", wheel.asgi_exempt, wheel.asgi_refused, "≤ 2 µs", 2.0),
        added(
            "WSGI",
            wheel.wsgi_exempt,
            wheel.wsgi_refused,
            "≤ 0.6 µs",
            0.6,
        ),
        Line {
            what:
                "Wheel: decisions per second, 32 in flight on uvloop, beside rows of asyncpg's pool"
                    .to_owned(),
            measured: format!(
                "{ratio:.1} ({:.0}, asyncpg {:.0})",
                wheel.reads_per_second, wheel.asyncpg_reads_per_second
            ),
            target: "≥ 2",
            reached: ratio / 2.0,
        },
        Line {
            what: "Wheel: half of the decisions that come alone, beside rows of asyncpg's pool"
                .to_owned(),
            measured: format!(
                "{median:.2} ({:.0} µs, asyncpg {:.0} µs)",
                microseconds(wheel.read_median),
                microseconds(wheel.asyncpg_read_median)
            ),
            target: "≤ 1",
            reached: 1.0 / median,
        },
    ]
}

fn micros(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 10_000.0 {
        format!("{micros:.0} µs")
    } else {
        format!("{:.0} ms", micros / 1000.0)
    }
}

const HEAD: &str = "\
# Performance

Written by the program that `cargo xtask bench` runs, which measures all of it in one run. The load generator, the server
and the database share the machine, and machines are noisy: compare the ratios, and the rows of one
run with each other. A target that was not reached says how far it is.

";
const TAIL: &str = "

![events per second by number of customers](performance.svg)

## How it was measured

- Pure code: `conformance/benchmarks/benches/pure.rs` with criterion, in twelve rounds of all of it; the median of the
  fastest round.
- Events: as Stripe pretty-prints them, 1 to 5 KB (`conformance/benchmarks/events/`), each with an
  id of its own, signed one by one by the load generator, every answer read and checked. PostgreSQL
  with its default durability, SQLite with `synchronous = FULL`, for all but what the mirror was sent. The mirror is in the same database
  and is fed meanwhile.
- Statements alone, of updates: what the database takes for each of a quarter as many more such updates, of other
  customers, asked by a ledger in the benchmark's own process while the server is idle but for its mirror.
- Where updates slow down as customers grow in number, the columns say what grows: the server's time, the database's, or, where
  processors are less busy, the time that all of them wait for the disk. PostgreSQL has its default 128 MB of shared buffers, less than
  a million customers' rows and indexes take.
- A page of a hundred: of all customers and of those with a status, a tier, in grace or in doubt (nobody is, and no row of
  anybody else is read to tell), from forty places each; the middle one of the kind that takes longest.
- Revenue of all: by tier now and by month of a year, read by the page and added up in the benchmark's own process.
- Sign-ups: three events of one customer close together, as Stripe sends them, every customer new.
  Updates: customers here and there, each event another one's.
- The wheel: `conformance/benchmarks/python/wheel.py`, in turns with what each is compared with;
  asyncpg's pool has its default of 10 connections, the wheel's mirror 2.
- One in flight: half the requests within that time, in turns with the statements that the ledger
  issued for the same events, recorded and issued again from one connection without HTTP,
  verification, decoding or ledger.
";
