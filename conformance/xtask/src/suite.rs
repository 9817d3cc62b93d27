//! Building and testing the workspace.
//!
//! Every call of cargo that compiles names the same packages' features (`--workspace --all-features`) and no flags for
//! rustc: cargo compiles a dependency once per set of features and flags, and that is most of the time spent.

use std::process::Command;

use anyhow::Result;

use crate::{process, step::Steps, tools::Tools, workspace::Workspace};

/// The one set of packages and features. `--locked`: what was tested is what `Cargo.lock` says.
pub(crate) const WHOLE: [&str; 3] = ["--workspace", "--all-features", "--locked"];

/// The `test` command: tools, programs, tests.
pub(crate) fn test(workspace: &Workspace, steps: &mut Steps, args: &[String]) -> Result<()> {
    let tools = Tools::fetch(workspace, steps)?;
    build(workspace, steps)?;
    run_tests(workspace, steps, &tools, args)
}

/// Builds every program that a test may start.
pub(crate) fn build(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.run(
        "build the programs and examples",
        "tests start them as a user would",
        || {
            let mut build = workspace.cargo(["build", "--examples"]);
            // By name, for want of xtask, which is running: Windows won't have it replaced. To exclude its package
            // would change the features of what it shares with the others, and compile that twice.
            let programs = workspace.programs().iter();
            build.args(programs.map(|name| format!("--bin={name}")));
            process::show(build.args(WHOLE))
        },
    )
}

/// Runs `cargo test` with the tools at hand.
pub(crate) fn run_tests(
    workspace: &Workspace,
    steps: &mut Steps,
    tools: &Tools,
    args: &[String],
) -> Result<()> {
    steps.run(
        "run the tests",
        "unit, integration and doc tests of every crate",
        || {
            let mut test = test_call(workspace, args);
            tools.export(workspace, &mut test);
            process::show(&mut test)
        },
    )
}

fn test_call(workspace: &Workspace, args: &[String]) -> Command {
    let mut test = workspace.cargo(["test"]);
    // cargo ignores `-p` beside `--workspace`, in silence.
    let narrowed =
        cargo_args(args).any(|arg| arg.starts_with("-p") || arg.starts_with("--package"));
    test.args(
        WHOLE
            .iter()
            .filter(|flag| !(narrowed && **flag == "--workspace")),
    )
    .args(args);
    test
}

/// The arguments that are cargo's, not the test program's.
fn cargo_args(args: &[String]) -> impl Iterator<Item = &str> {
    args.iter()
        .map(String::as_str)
        .take_while(|arg| *arg != "--")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(args: &[&str]) -> String {
        let workspace = Workspace::locate().unwrap();
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let command = test_call(&workspace, &args);
        command
            .get_args()
            .map(|arg| arg.to_str().unwrap())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_named_package_narrows_the_tests_to_it() {
        assert_eq!(
            call(&["-p", "billing-core"]),
            "test --all-features --locked -p billing-core"
        );
        assert_eq!(
            call(&["--package=billing-core"]),
            "test --all-features --locked --package=billing-core"
        );
        assert_eq!(
            call(&["stale", "--", "-p"]),
            "test --workspace --all-features --locked stale -- -p"
        );
    }
}
