//! The `bench` command: measures, and writes down what came out.

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
    let packages = ["--release", "--locked", "-p=queue-server", "-p=benchmarks"];
    steps.run(
        "build the server and the benchmarks",
        "optimised; minutes the first time",
        || process::show(workspace.cargo(["build"]).args(packages)),
    )?;
    steps.run(
        "measure the pure code",
        "verification, decoding, the gate; about a minute",
        || {
            let mut bench = workspace.cargo(["bench", "--locked", "-p=benchmarks", "--bench=pure"]);
            bench.args(["--", "--warm-up-time=1", "--measurement-time=3"]);
            process::show(&mut bench)
        },
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
        "millions of events; about ten minutes for all of it",
        || {
            let release = workspace.target().join("release");
            let mut bench = Command::new(release.join("bench"));
            bench.arg("--server").arg(release.join("queue-server"));
            bench
                .arg("--criterion")
                .arg(workspace.target().join("criterion"));
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
