//! Packages from npm, pinned with their digests. Their install scripts never run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{Installation, Patience, pin};
use crate::{
    process::{self, Advice},
    workspace::Workspace,
};

const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

/// Makes sure that the packages of a folder of pins are there and gives the path of a file among them. A new
/// installation must stand the trial.
pub(super) fn install(
    workspace: &Workspace,
    name: &str,
    file: &Path,
    patience: Patience,
    advice: &Advice,
    trial: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let pins = workspace.pins_dir().join(name);
    let package = pin(&pins.join("package.json"))?;
    let lock = pin(&pins.join("package-lock.json"))?;
    let installation = Installation::open(workspace, name, &[&package, &lock])?;
    installation.program(file, |folder| {
        fs::write(folder.join("package.json"), &package).context("can't copy package.json")?;
        fs::write(folder.join("package-lock.json"), &lock)
            .context("can't copy package-lock.json")?;
        ci(folder, patience, advice)?;
        trial(&folder.join(file))
    })
}

fn ci(folder: &Path, patience: Patience, advice: &Advice) -> Result<()> {
    let mut npm = Command::new(NPM);
    npm.args([
        "ci",
        "--ignore-scripts",
        "--prefer-offline",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ])
    .current_dir(folder);
    if patience == Patience::Short {
        npm.args(["--fetch-retries=1", "--fetch-retry-mintimeout=500"]);
    }
    process::capture(&mut npm, advice).map(drop)
}
