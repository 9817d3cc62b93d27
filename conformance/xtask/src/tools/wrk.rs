//! wrk, which loads the servers that the wheel stands in: the machine's own, or else Debian's package, unpacked.
//!
//! Debian's package manager checks what it fetches against its signed lists, so nothing is pinned here. The tests that
//! use it say so where there is none, and are skipped: it runs on no Windows, and other systems have their own ways.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use super::Installation;
use crate::{
    process::{self, Advice},
    workspace::Workspace,
};

const ADVICE: Advice = Advice {
    missing: "Debian and its kin",
    failed: "Install wrk (Debian and Ubuntu: apt install wrk; macOS: brew install wrk). Or set WRK_BIN to its path",
};
/// Where its package is unpacked.
const ROOT: &str = "root";
/// Where an unpacked package has its program.
const PROGRAM: &str = "root/usr/bin/wrk";

/// The program, and where its libraries are, if not where the machine has its own.
pub(super) struct Wrk {
    pub(super) program: PathBuf,
    pub(super) libraries: Option<PathBuf>,
}

/// The machine's own, or else one that is fetched. An error says why there is none.
pub(super) fn find(workspace: &Workspace) -> Result<Wrk> {
    let path = env::var_os("PATH").unwrap_or_default();
    if let Some(program) = env::split_paths(&path)
        .map(|folder| folder.join("wrk"))
        .find(|program| program.is_file())
    {
        eprintln!("    {}", program.display());
        return Ok(Wrk {
            program,
            libraries: None,
        });
    }
    // A package is for one release of the system.
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let installation = Installation::open(workspace, "wrk", &[env::consts::ARCH, &release])?;
    let program = installation.program(Path::new(PROGRAM), fill)?;
    let libraries = libraries(&installation.folder)?;
    Ok(Wrk {
        program,
        libraries: Some(libraries),
    })
}

fn fill(folder: &Path) -> Result<()> {
    let packages = missing_packages()?;
    let mut download = Command::new("apt-get");
    download.arg("download").args(&packages).current_dir(folder);
    process::capture(&mut download, &ADVICE)?;
    let files = fs::read_dir(folder).context("can't read the folder of wrk's packages")?;
    for file in files.flatten().map(|file| file.path()) {
        if file.extension().is_some_and(|extension| extension == "deb") {
            let mut unpack = Command::new("dpkg-deb");
            unpack.arg("-x").arg(&file).arg(folder.join(ROOT));
            process::capture(&mut unpack, &ADVICE)?;
        }
    }
    // A library that the machine lacks shows only when the program is started.
    let mut version = Command::new(folder.join(PROGRAM));
    version.arg("-v").env("LD_LIBRARY_PATH", libraries(folder)?);
    let answer = process::finish(&mut version, &ADVICE)?;
    ensure!(
        answer.stdout.starts_with(b"wrk"),
        "Debian's wrk does not start here. {}",
        ADVICE.failed
    );
    Ok(())
}

/// The packages that wrk needs and the machine has not, itself among them.
fn missing_packages() -> Result<Vec<String>> {
    let simulate = || {
        let mut call = Command::new("apt-get");
        call.args(["install", "--simulate", "--no-install-recommends", "wrk"]);
        process::capture(&mut call, &ADVICE)
    };
    let plan = simulate().or_else(|error| {
        // Images come without the lists of what there is; only root may fetch them.
        let id = process::capture(Command::new("id").arg("-u"), &ADVICE)?;
        if id.trim() != "0" {
            return Err(error);
        }
        process::capture(Command::new("apt-get").arg("update"), &ADVICE)?;
        simulate()
    })?;
    let packages = installed_by(&plan);
    if packages.is_empty() {
        bail!("the machine says that it has wrk, but not on its path");
    }
    Ok(packages)
}

/// The names in a plan's lines `Inst NAME (VERSION …)`.
fn installed_by(plan: &str) -> Vec<String> {
    let lines = plan.lines().filter_map(|line| line.strip_prefix("Inst "));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    names.map(ToOwned::to_owned).collect()
}

/// The folder of the libraries, which is named for the kind of machine.
fn libraries(folder: &Path) -> Result<PathBuf> {
    let parent = folder.join(ROOT).join("usr/lib");
    let below = fs::read_dir(&parent).context("wrk's packages brought no libraries")?;
    let mut folders = below.flatten().map(|entry| entry.path());
    folders
        .find(|path| path.is_dir() && path.to_string_lossy().ends_with("-gnu"))
        .context("wrk's packages brought no libraries")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_names_what_it_would_install() {
        let plan = "Reading package lists...\nInst lib-5.1-common (2.1 Debian:12 [all])\n\
                    Inst wrk (4.1.0-3 Debian:12 [amd64])\nConf wrk (4.1.0-3 Debian:12 [amd64])\n";
        assert_eq!(installed_by(plan), ["lib-5.1-common", "wrk"]);
    }
}
