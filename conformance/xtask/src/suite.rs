//! Building and testing the workspace.
//!
//! Every call of cargo that compiles names the same packages' features (`--workspace --all-features`) and no flags for
//! rustc: cargo compiles a dependency once per set of features and flags, and that is most of the time spent.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{
    postgres::{Care, Server},
    process,
    step::Steps,
    tools::Tools,
    wheel::{self, Wheel},
    workspace::Workspace,
};

/// The one set of packages and features. `--locked`: what was tested is what `Cargo.lock` says.
pub(crate) const WHOLE: [&str; 3] = ["--workspace", "--all-features", "--locked"];

/// The packages whose tests run on either store, and the test program of each.
const STORE_TESTS: [(&str, &str); 2] = [("billing-core", "core"), ("queue-server", "server")];
/// Flags that name other targets of a package than its test programs.
const OTHER_TARGETS: [&str; 7] = [
    "--lib",
    "--doc",
    "--bin",
    "--bins",
    "--example",
    "--examples",
    "--benches",
];

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

/// Runs `cargo test` with the tools at hand: everything, and then the store's tests again on PostgreSQL.
pub(crate) fn run_tests(
    workspace: &Workspace,
    steps: &mut Steps,
    tools: &Tools,
    args: &[String],
) -> Result<()> {
    let server = steps.run(
        "start PostgreSQL",
        "production runs on it; a server of the tests' own, gone at the end",
        || Server::start(workspace, tools, Care::None),
    )?;
    let packages = values(args, "--package", Some("-p"));
    if packages != [wheel::FOLDER] {
        run_cargo_tests(workspace, steps, tools, &server, args)?;
    }
    // Whoever names tests of Rust wants none of Python's.
    if args.is_empty() || packages.contains(&wheel::FOLDER) {
        let python = tools.wheel_python().context("Python was not fetched")?;
        let wheel = Wheel::build(workspace, steps, python)?;
        wheel.lint(steps)?;
        wheel.test(steps, tools, &server, pytest_args(args))?;
    }
    Ok(())
}

fn run_cargo_tests(
    workspace: &Workspace,
    steps: &mut Steps,
    tools: &Tools,
    server: &Server,
    args: &[String],
) -> Result<()> {
    steps.run(
        "run the tests",
        "unit, integration and doc tests of every crate; the store is SQLite",
        || {
            let mut test = test_call(workspace, args);
            tools.export(workspace, &mut test);
            server.export(&mut test);
            process::show(&mut test)
        },
    )?;
    let Some(mut test) = store_call(workspace, args) else {
        return Ok(());
    };
    steps.run(
        "run the store's tests on PostgreSQL",
        "the same tests, for the same promises",
        || {
            tools.export(workspace, &mut test);
            server.export(&mut test);
            process::show(test.env("BILLING_TEST_STORE", "postgres"))
        },
    )
}

/// What follows `--`.
fn pytest_args(args: &[String]) -> &[String] {
    let end = args.iter().position(|arg| arg == "--");
    end.map_or(&[], |end| &args[end + 1..])
}

/// The tests of the store among those that the arguments name. Test programs are chosen by their names and packages are
/// not, so that nothing is compiled again.
fn store_call(workspace: &Workspace, args: &[String]) -> Option<Command> {
    if cargo_args(args).any(|arg| OTHER_TARGETS.contains(&arg)) {
        return None;
    }
    let packages = values(args, "--package", Some("-p"));
    let tests = values(args, "--test", None);
    let chosen: Vec<&str> = STORE_TESTS
        .into_iter()
        .filter(|(package, _)| packages.is_empty() || packages.contains(package))
        .map(|(_, test)| test)
        .filter(|test| tests.is_empty() || tests.contains(test))
        .collect();
    let mut call = workspace.cargo(["test"]);
    call.args(chosen.iter().map(|test| format!("--test={test}")));
    call.args(whole_or_narrowed(args)).args(args);
    (!chosen.is_empty()).then_some(call)
}

/// The values of a flag that takes one: `--flag value`, `--flag=value`, `-f value`, `-fvalue`.
fn values<'a>(args: &'a [String], long: &str, short: Option<&str>) -> Vec<&'a str> {
    let mut values = Vec::new();
    let mut args = cargo_args(args);
    while let Some(arg) = args.next() {
        if arg == long || Some(arg) == short {
            values.extend(args.next());
        } else if let Some(value) = arg
            .strip_prefix(long)
            .and_then(|rest| rest.strip_prefix('='))
        {
            values.push(value);
        } else if let Some(value) = short.and_then(|short| arg.strip_prefix(short)) {
            values.push(value.strip_prefix('=').unwrap_or(value));
        }
    }
    values
}

fn test_call(workspace: &Workspace, args: &[String]) -> Command {
    let mut test = workspace.cargo(["test"]);
    test.args(whole_or_narrowed(args)).args(args);
    test
}

/// cargo ignores `-p` beside `--workspace`, in silence.
fn whole_or_narrowed(args: &[String]) -> impl Iterator<Item = &'static str> {
    let narrowed = !values(args, "--package", Some("-p")).is_empty();
    WHOLE
        .into_iter()
        .filter(move |flag| !(narrowed && *flag == "--workspace"))
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
        line(&test_call(&Workspace::locate().unwrap(), &owned(args)))
    }

    fn owned(args: &[&str]) -> Vec<String> {
        args.iter().map(ToString::to_string).collect()
    }

    fn line(command: &Command) -> String {
        let args: Vec<_> = command
            .get_args()
            .map(|arg| arg.to_str().unwrap())
            .collect();
        args.join(" ")
    }

    #[test]
    fn the_stores_tests_are_those_that_the_arguments_leave() {
        let workspace = Workspace::locate().unwrap();
        let call = |args: &[&str]| {
            let call = store_call(&workspace, &owned(args));
            call.as_ref().map(line).unwrap_or_default()
        };
        assert_eq!(
            call(&["stale", "--", "-p"]),
            "test --test=core --test=server --workspace --all-features --locked stale -- -p"
        );
        assert_eq!(
            call(&["-pbilling-core"]),
            "test --test=core --all-features --locked -pbilling-core"
        );
        assert_eq!(
            call(&["--test", "server"]),
            "test --test=server --workspace --all-features --locked --test server"
        );
        assert_eq!(call(&["--package", "tower-paywall"]), "");
        assert_eq!(call(&["--lib"]), "");
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
