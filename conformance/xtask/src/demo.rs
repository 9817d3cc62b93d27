//! The `demo` command: builds what the demonstration starts, then becomes the demonstration.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{
    process,
    step::{Steps, headline},
    suite::WHOLE,
    tools::Tools,
    wheel::Wheel,
    workspace::Workspace,
};

/// Gets everything ready and hands over: from then on it is the demonstration that answers to ctrl-c and gives the
/// exit code.
pub(crate) fn hand_over(workspace: &Workspace, steps: &mut Steps, args: &[String]) -> Result<()> {
    let tools = Tools::fetch_for_demo(workspace, steps);
    build(workspace, steps)?;
    let mut program = program(workspace, &tools);
    if let Some(python) = tools.wheel_python() {
        Wheel::build(workspace, steps, python)?;
        program.arg("--python").arg(python);
    }
    headline("start the demonstration", "everything is ready");
    become_program(program.args(args))
}

/// The demonstration as a step of the gate: it must come to its end by itself, and well.
pub(crate) fn check(workspace: &Workspace, steps: &mut Steps, tools: &Tools) -> Result<()> {
    build(workspace, steps)?;
    // The tests have built and installed the wheel.
    let python = tools.wheel_python().context("Python was not fetched")?;
    steps.run(
        "run the demonstration",
        "what a newcomer tries first must work",
        || process::show(program(workspace, tools).arg("--python").arg(python)),
    )
}

/// Builds only what the demonstration starts, but with the features of [`WHOLE`]: after `cargo xtask test` there is
/// nothing left to do, nor the other way round.
fn build(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.run(
        "build the demonstration",
        "server, gated example, simulator; minutes the first time, then seconds",
        || {
            let mut build = workspace.cargo([
                "build",
                "--bin=queue-server",
                "--bin=demo",
                "--example=gated_service",
            ]);
            process::show(build.args(WHOLE))
        },
    )
}

fn program(workspace: &Workspace, tools: &Tools) -> Command {
    let mut demo = Command::new(
        workspace
            .bin_dir()
            .join("demo")
            .with_extension(std::env::consts::EXE_EXTENSION),
    );
    demo.current_dir(workspace.root());
    tools.export(workspace, &mut demo);
    demo
}

/// Takes this process's place, so that there is no parent to pass signals and exit codes on.
#[cfg(unix)]
fn become_program(command: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt as _;

    Err(command.exec()).context("could not start the demonstration")
}

/// Waits and ends with the program's exit code. The console sends ctrl-c to both.
#[cfg(not(unix))]
fn become_program(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .context("could not start the demonstration")?;
    std::process::exit(status.code().unwrap_or(1))
}
