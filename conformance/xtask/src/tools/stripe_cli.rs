//! The official Stripe CLI, from npm: it needs no account for what tests do with it, and no install script.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use super::{Patience, npm};
use crate::{
    process::{self, Advice},
    workspace::Workspace,
};

const ADVICE: Advice = Advice {
    missing: "Node.js 18 or newer (https://nodejs.org; Debian and Ubuntu: apt install npm; macOS: brew install node). \
              Or set STRIPE_CLI_BIN to a Stripe CLI of your own",
    failed: "npm must reach its registry once. Without network, set STRIPE_CLI_BIN to a Stripe CLI of your own",
};

/// Makes sure that the pinned CLI is there and gives its path.
pub(super) fn install(workspace: &Workspace, patience: Patience) -> Result<PathBuf> {
    let program = program(env::consts::OS, env::consts::ARCH)?;
    npm::install(
        workspace,
        "stripe-cli",
        &program,
        patience,
        &ADVICE,
        |program| {
            // A program for another libc or processor is found out here rather than in the middle of a test.
            process::capture(Command::new(program).arg("--version"), &ADVICE).map(drop)
        },
    )
}

/// Where npm puts the program: the wrapper package picks one package by the platform, and so do we, to start the
/// program itself. A test that kills node's wrapper would leave the CLI running.
fn program(os: &str, arch: &str) -> Result<PathBuf> {
    let (platform, file) = match (os, arch) {
        ("linux", "x86_64") => ("linux-x64", "stripe"),
        ("linux", "aarch64") => ("linux-arm64", "stripe"),
        ("macos", "x86_64") => ("darwin-x64", "stripe"),
        ("macos", "aarch64") => ("darwin-arm64", "stripe"),
        ("windows", "x86_64") => ("win32-x64", "stripe.exe"),
        _ => bail!(
            "npm has no Stripe CLI for {os} on {arch}. Build one and set STRIPE_CLI_BIN to it"
        ),
    };
    Ok(Path::new("node_modules/@stripe")
        .join(format!("cli-{platform}"))
        .join("bin")
        .join(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_package_that_we_look_for_is_pinned_to_the_wrappers_version() {
        let lock: serde_json::Value =
            serde_json::from_str(include_str!("../../tools/stripe-cli/package-lock.json")).unwrap();
        let version = &lock["packages"]["node_modules/@stripe/cli"]["version"];
        assert!(version.is_string());
        for (os, arch) in [
            ("linux", "x86_64"),
            ("linux", "aarch64"),
            ("macos", "x86_64"),
            ("macos", "aarch64"),
            ("windows", "x86_64"),
        ] {
            let path = program(os, arch).unwrap();
            let package = path
                .parent()
                .unwrap()
                .parent()
                .unwrap()
                .to_str()
                .unwrap()
                .replace('\\', "/");
            assert_eq!(&lock["packages"][&package]["version"], version, "{package}");
        }
    }

    #[test]
    fn a_platform_without_a_package_is_told_what_to_do() {
        let error = program("freebsd", "x86_64").unwrap_err().to_string();
        assert!(error.contains("STRIPE_CLI_BIN"), "{error}");
    }
}
