//! Packages that must never be in the tree.

use std::process::Output;

use anyhow::{Context, Result, bail, ensure};

use crate::{process, step::Steps, suite::WHOLE, workspace::Workspace};

/// Each with the reason. All three come in through a default feature of a crate that we do use.
const BANNED: [(&str, &str); 3] = [
    (
        "aws-lc-sys",
        "two minutes of C for what ring does: rustls takes its provider from the program's main",
    ),
    (
        "native-tls",
        "a second TLS stack, with another one on every platform",
    ),
    (
        "openssl-sys",
        "it needs a C library and headers that a plain Rust machine lacks",
    ),
];

/// Checks that none of the banned packages is reachable from any crate of the workspace.
pub(crate) fn step(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.run(
        "look for banned packages",
        "one default feature is enough to bring in another TLS stack",
        || {
            let found = BANNED.iter().filter_map(|(package, reason)| {
                let path = path_to(workspace, package).transpose()?;
                Some(path.map(|path| {
                    format!("{package} is in the tree: {reason}. It comes by way of\n{path}")
                }))
            });
            let found: Vec<String> = found.collect::<Result<_>>()?;
            ensure!(found.is_empty(), "{}", found.join("\n"));
            Ok(())
        },
    )
}

/// What leads to a package, as `cargo tree` draws it; nothing when it is not there.
fn path_to(workspace: &Workspace, package: &str) -> Result<Option<String>> {
    let mut tree = workspace.cargo(["tree", "--invert", package]);
    let output = process::finish(tree.args(WHOLE), &process::CARGO)?;
    read(&output).with_context(|| format!("can't tell whether {package} is in the tree"))
}

/// Absence is an error to `cargo tree`, so the text tells it from a real one: a package that is not in `Cargo.lock`
/// does not match; one that is there for another platform or an unused feature leaves nothing to print.
fn read(output: &Output) -> Result<Option<String>> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    match (output.status.success(), stdout.trim()) {
        (true, "") => Ok(None),
        (true, tree) => Ok(Some(tree.to_owned())),
        (false, _) if stderr.contains("did not match any packages") => Ok(None),
        (false, _) => bail!("{}", stderr.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_in_the_tree_is_found_with_what_brings_it() {
        let workspace = Workspace::locate().unwrap();
        let path = path_to(&workspace, "anyhow").unwrap().unwrap();
        assert!(
            path.starts_with("anyhow v") && path.contains("xtask v"),
            "{path}"
        );
    }

    #[test]
    fn a_package_that_is_not_there_is_no_error() {
        let workspace = Workspace::locate().unwrap();
        assert_eq!(path_to(&workspace, "no-such-package").unwrap(), None);
    }

    #[test]
    fn a_call_that_fails_otherwise_is_not_taken_for_absence() {
        let workspace = Workspace::locate().unwrap();
        assert!(path_to(&workspace, "not a package name").is_err());
    }
}
