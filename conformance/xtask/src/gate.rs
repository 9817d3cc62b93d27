//! The `ci` command: everything that must pass before a change is merged, cheapest first.
//!
//! The order also follows what the steps leave for each other. clippy checks the dependencies, and the documentation
//! uses the same artefacts; the build compiles them in earnest, and the tests and the demonstration use those.

use anyhow::Result;

use crate::{
    demo, fuzz, guard, process,
    step::{Steps, headline},
    suite::{self, WHOLE},
    tidy,
    tools::Tools,
    workspace::Workspace,
};

/// Crates that others build on: they must compile without any of their optional parts.
const MINIMAL: [&str; 2] = ["billing-core", "tower-paywall"];

/// Runs the gate. The table of times is printed whether or not it passes.
pub(crate) fn run(workspace: &Workspace, mut steps: Steps) -> Result<()> {
    let result = all(workspace, &mut steps);
    headline(
        "summary",
        if result.is_ok() {
            "the gate is open"
        } else {
            "stopped at the first failure"
        },
    );
    eprintln!("{}", steps.summary());
    result
}

fn all(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    format(workspace, steps)?;
    tidy::step(workspace, steps)?;
    guard::step(workspace, steps)?;
    lint(workspace, steps)?;
    check_minimal(workspace, steps)?;
    let tools = Tools::fetch(workspace, steps)?;
    suite::build(workspace, steps)?;
    suite::run_tests(workspace, steps, &tools, &[])?;
    document(workspace, steps)?;
    demo::check(workspace, steps, &tools)?;
    fuzz::check(workspace, steps)
}

fn format(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.run(
        "check the format",
        "`cargo fmt --all` mends it, and the same in conformance/fuzz; the tool: `rustup component add rustfmt`",
        || {
            process::show(&mut workspace.cargo(["fmt", "--all", "--check"]))?;
            // A workspace of its own, which `--all` does not reach.
            process::show(&mut workspace.cargo(["fmt", "--check", "--manifest-path", fuzz::MANIFEST]))
        },
    )
}

fn lint(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.run(
        "lint",
        "a warning is an error; the tool: `rustup component add clippy`",
        || {
            let mut clippy = workspace.cargo(["clippy", "--all-targets"]);
            // After `--`, so that it reaches our crates only: in RUSTFLAGS it would compile every dependency again.
            process::show(clippy.args(WHOLE).args(["--", "-D", "warnings"]))
        },
    )
}

fn check_minimal(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.run(
        "check the libraries without features",
        "a gate needs neither store",
        || {
            for package in MINIMAL {
                // One by one: together, the features that one asks of the other would be on for both.
                process::show(&mut workspace.cargo([
                    "clippy",
                    "--locked",
                    "--no-default-features",
                    "-p",
                    package,
                    "--",
                    "-D",
                    "warnings",
                ]))?;
            }
            Ok(())
        },
    )
}

fn document(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.run(
        "build the documentation",
        "a link that leads nowhere is an error",
        || {
            let mut doc = workspace.cargo(["doc", "--no-deps"]);
            process::show(doc.args(WHOLE).env("RUSTDOCFLAGS", "-D warnings"))
        },
    )
}
