//! The `bench` command: measures, and writes down what came out.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::{
    postgres::{Care, Server},
    process,
    step::Steps,
    tools::Tools,
    wheel::Wheel,
    workspace::Workspace,
};

/// Measures the pure code, then the server on both stores. Of a whole run it writes `docs/PERFORMANCE.md`; of a part it
/// prints the same.
pub(crate) fn run(workspace: &Workspace, steps: &mut Steps, part: u64) -> Result<()> {
    let tools = Tools::fetch_for_demo(workspace, steps);
    let criterion = workspace.target().join("criterion");
    let packages = ["--release", "--locked", "-p=queue-server", "-p=benchmarks"];
    steps.run(
        "build the server and the benchmarks",
        "optimised; minutes the first time",
        || process::show(workspace.cargo(["build"]).args(packages)),
    )?;
    steps.run(
        "measure the pure code",
        "verification, decoding, the gate; some five minutes",
        || measure_pure(workspace, &criterion),
    )?;
    if let Some(python) = tools.wheel_python() {
        Wheel::build(workspace, steps, python)?;
    }
    let server = steps.run(
        "start PostgreSQL",
        "as durable as in production; a server of its own, gone at the end",
        || Server::start(workspace, &tools, Care::AsInProduction),
    )?;
    steps.run(
        "measure the server and the gate's reads",
        "millions of events; half an hour for all of it",
        || {
            let release = workspace.target().join("release");
            let mut bench = Command::new(release.join("bench"));
            bench.arg("--server").arg(release.join("queue-server"));
            bench.arg("--criterion").arg(&criterion);
            bench.arg(format!("--part={part}"));
            if let Some(python) = tools.wheel_python() {
                bench.arg("--python").arg(python);
            }
            if part == 1 {
                bench.arg("--write").arg(workspace.root().join("docs"));
            }
            server.export(&mut bench);
            process::show(&mut bench)
        },
    )
}

/// How often the pure code is measured: whatever else slows the machine down seldom does so in all rounds.
const ROUNDS: u32 = 12;

fn measure_pure(workspace: &Workspace, criterion: &Path) -> Result<()> {
    if criterion.exists() {
        std::fs::remove_dir_all(criterion)?;
    }
    for round in 1..=ROUNDS {
        let mut bench = workspace.cargo(["bench", "--locked", "-p=benchmarks", "--bench=pure"]);
        bench.env("CRITERION_HOME", criterion);
        bench.args(["--", "--warm-up-time=0.2", "--measurement-time=0.5"]);
        bench.arg(format!("--save-baseline=round-{round}"));
        process::show(&mut bench)?;
    }
    Ok(())
}
