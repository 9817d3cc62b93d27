//! Python environments of the suite's own: one with Stripe's official client, one that
//! reads the server's description, one for the wheel.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use super::{Installation, pin};
use crate::{
    process::{self, Advice},
    workspace::Workspace,
};

const ADVICE: Advice = Advice {
    missing: "Python 3.10 or newer (https://python.org; Debian and Ubuntu: apt install python3 python3-venv; macOS: \
              brew install python). Or set CONFORMANCE_PYTHON, OPENAPI_PYTHON and WHEEL_PYTHON to the pythons of \
              environments that have conformance/xtask/tools/{python,openapi,wheel}/requirements.txt",
    failed: "Python must be 3.10 or newer, with its venv module (Debian and Ubuntu: apt install python3-venv), and pip \
             must reach its index once. Without network, set CONFORMANCE_PYTHON, OPENAPI_PYTHON and WHEEL_PYTHON to \
             the pythons of environments that have conformance/xtask/tools/{python,openapi,wheel}/requirements.txt",
};
const OLDEST: (u32, u32) = (3, 10);

/// Makes sure that an environment is there and gives the path of its Python. Its name is that of its pins' folder.
pub(super) fn install(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let requirements = pin(&workspace.pins_dir().join(name).join("requirements.txt"))?;
    let (python, version) = base_python()?;
    // The version is one of the pins: an environment does not outlive the Python it was made from.
    let installation = Installation::open(workspace, name, &[&version, &requirements])?;
    let program = if cfg!(windows) {
        "venv/Scripts/python.exe"
    } else {
        "venv/bin/python"
    };
    installation.program(Path::new(program), |folder| {
        let mut venv = Command::new(python);
        venv.args(["-m", "venv", "venv"]).current_dir(folder);
        process::capture(&mut venv, &ADVICE)?;
        fs::write(folder.join("requirements.txt"), &requirements)
            .context("can't copy requirements.txt")?;
        let mut pip = Command::new(folder.join(program));
        pip.args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
        ])
        .args([
            "--require-hashes",
            "--only-binary=:all:",
            "--requirement=requirements.txt",
        ])
        .current_dir(folder);
        process::capture(&mut pip, &ADVICE).map(drop)
    })
}

/// The machine's Python and its version.
fn base_python() -> Result<(&'static str, String)> {
    let python = if cfg!(windows) { "python" } else { "python3" };
    let ask = "import sys; print('%d.%d.%d %s' % (sys.version_info[:3] + (sys.base_prefix,)))";
    let answer = process::capture(Command::new(python).args(["-c", ask]), &ADVICE)?;
    let version = answer.trim();
    let Some(found) = major_and_minor(version) else {
        bail!("`{python}` does not tell its version: {version}")
    };
    ensure!(
        found >= OLDEST,
        "`{python}` is {}.{}. The suite needs {}",
        found.0,
        found.1,
        ADVICE.missing
    );
    Ok((python, version.to_owned()))
}

fn major_and_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(major_and_minor("3.9.18 prefix"), Some((3, 9)));
        assert!(major_and_minor("3.9.18 prefix") < Some(OLDEST));
        assert!(major_and_minor("3.14.0 prefix") > Some(OLDEST));
        assert_eq!(major_and_minor("PyPy"), None);
    }

    #[test]
    fn every_package_is_pinned_with_a_digest() {
        for (requirements, named) in [
            (
                include_str!("../../tools/python/requirements.txt"),
                "stripe==",
            ),
            (
                include_str!("../../tools/openapi/requirements.txt"),
                "schemathesis==",
            ),
            (
                include_str!("../../tools/wheel/requirements.txt"),
                "maturin==",
            ),
        ] {
            let requirements = requirements.replace("\\\n", " ");
            let packages: Vec<&str> = requirements
                .lines()
                .filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#'))
                .collect();
            assert!(packages.iter().any(|line| line.starts_with(named)));
            for package in packages {
                assert!(
                    package.contains("==") && package.contains("--hash=sha256:"),
                    "{package}"
                );
            }
        }
    }
}
