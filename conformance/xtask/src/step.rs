//! Telling what is going on: each step is named with its reason before it runs, and timed.

use std::{
    fmt::Write as _,
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

/// The steps of one run, in order. Told on standard error, as cargo does: standard output is for results.
pub(crate) struct Steps {
    started: Instant,
    finished: Vec<Finished>,
}

struct Finished {
    what: String,
    took: Duration,
    verdict: &'static str,
}

impl Steps {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            finished: Vec::new(),
        }
    }

    /// Runs one step. `what` is a verb phrase ("check the format"), `why` completes "because".
    pub(crate) fn run<T>(
        &mut self,
        what: &str,
        why: &str,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        headline(what, why);
        let started = Instant::now();
        let result = work();
        let took = started.elapsed();
        self.finished.push(Finished {
            what: what.to_owned(),
            took,
            verdict: if result.is_ok() { "ok     " } else { "FAILED " },
        });
        if result.is_ok() {
            eprintln!("    done in {}", seconds(took));
        }
        result.with_context(|| format!("could not {what}"))
    }

    /// Leaves a step out, in sight.
    pub(crate) fn skip(&mut self, what: &str, reason: &str) {
        headline(what, &format!("SKIPPED: {reason}"));
        self.finished.push(Finished {
            what: what.to_owned(),
            took: Duration::ZERO,
            verdict: "SKIPPED",
        });
    }

    /// A table of the steps so far with their times.
    pub(crate) fn summary(&self) -> String {
        let mut table = String::new();
        for step in &self.finished {
            let _ = writeln!(
                table,
                "    {} {:>9}  {}",
                step.verdict,
                seconds(step.took),
                step.what
            );
        }
        let _ = write!(
            table,
            "            {:>9}  in all",
            seconds(self.started.elapsed())
        );
        table
    }
}

/// Prints a line that stands out from the output of the programs run.
pub(crate) fn headline(what: &str, why: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("\x1b[1m==> {what}\x1b[0m ({why})");
    } else {
        eprintln!("==> {what} ({why})");
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_step_that_failed_or_was_skipped_is_marked_in_the_summary() {
        let mut steps = Steps::start();
        assert_eq!(steps.run("add", "it is easy", || Ok(1 + 1)).unwrap(), 2);
        let error = steps
            .run("divide", "it is hard", || -> Result<()> {
                bail!("by zero")
            })
            .unwrap_err();

        assert_eq!(format!("{error:#}"), "could not divide: by zero");
        steps.skip("multiply", "nobody asked");
        let summary = steps.summary();
        let lines: Vec<&str> = summary.lines().map(str::trim).collect();
        assert!(
            lines[0].starts_with("ok") && lines[0].ends_with("add"),
            "{summary}"
        );
        assert!(
            lines[1].starts_with("FAILED") && lines[1].ends_with("divide"),
            "{summary}"
        );
        assert!(
            lines[2].starts_with("SKIPPED") && lines[2].ends_with("multiply"),
            "{summary}"
        );
        assert!(lines[3].ends_with("in all"), "{summary}");
    }
}
