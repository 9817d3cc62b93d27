//! cargo-fuzz, which builds and runs fuzz targets.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::Installation;
use crate::{process, workspace::Workspace};

const VERSION: &str = "0.13.2";

/// Makes sure that the pinned version is there and gives its path.
pub(super) fn install(workspace: &Workspace) -> Result<PathBuf> {
    let installation = Installation::open(workspace, "cargo-fuzz", &[VERSION])?;
    let program = format!("bin/cargo-fuzz{}", env::consts::EXE_SUFFIX);
    installation.program(Path::new(&program), |folder| {
        let mut install = workspace.cargo(["install", "--locked", "cargo-fuzz"]);
        install.arg(format!("--version={VERSION}"));
        process::show(install.arg("--root").arg(folder))
    })
}
