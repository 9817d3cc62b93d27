//! The `fuzz` command: the targets of `conformance/fuzz`, each for some time.
//!
//! A target begins with its committed seeds and with what earlier runs collected in the build folder; whatever reaches new
//! code is added there, and the seeds stay as they are. Afterwards the collection is made as small as it can be without
//! reaching less. An input that breaks a promise fails the run: cargo-fuzz leaves
//! it in `conformance/fuzz/artifacts` and prints how to run it again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    process::{self, Advice},
    step::Steps,
    tools,
    workspace::{Workspace, from_a_shell},
};

/// How long a target runs where nobody says otherwise, and in the gate.
pub(crate) const SECONDS: u32 = 60;
/// The workspace of the targets.
pub(crate) const MANIFEST: &str = "conformance/fuzz/Cargo.toml";

const FOLDER: &str = "conformance/fuzz";
/// An input that takes longer than this has found a loop that is not bounded as it should be.
const TIMEOUT_SECONDS: u32 = 10;
const NO_NIGHTLY: &str = "there is no nightly toolchain, whose instrumentation fuzz targets are built with: \
                          rustup toolchain install nightly";
const RUSTUP: Advice = Advice {
    missing: "rustup: https://rustup.rs",
    failed: "",
};

/// The `fuzz` command.
pub(crate) fn run(
    workspace: &Workspace,
    steps: &mut Steps,
    target: Option<&str>,
    seconds: u32,
) -> Result<()> {
    let known = targets(workspace)?;
    let chosen = match target {
        None => known,
        Some(name) if known.iter().any(|target| target == name) => vec![name.to_owned()],
        Some(name) => bail!("there is no target {name}; there are {}", known.join(", ")),
    };
    let toolchain = nightly()?.context(NO_NIGHTLY)?;
    let program = tools::cargo_fuzz(workspace, steps)?;
    let call = Call {
        workspace,
        program,
        toolchain,
    };
    steps.run(
        "build the fuzz targets",
        "optimised and instrumented, by the nightly toolchain; their dependencies too, once",
        || process::show(&mut call.command("build")),
    )?;
    for target in chosen {
        steps.run(
            &format!("fuzz {target}"),
            &format!("{seconds} s; what each target promises stands in {FOLDER}/fuzz_targets"),
            || {
                call.fuzz(&target, seconds)?;
                call.minimise(&target)
            },
        )?;
    }
    Ok(())
}

/// The gate's step: every target, on machines that have what it takes.
pub(crate) fn check(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.run(
        "check the lock file of the fuzz targets",
        "a workspace of its own, which no other step reads; `cargo metadata` there mends it",
        || {
            let args = [
                "metadata",
                "--format-version=1",
                "--locked",
                "--manifest-path",
                MANIFEST,
            ];
            process::capture(&mut workspace.cargo(args), &process::CARGO).map(drop)
        },
    )?;
    if nightly().ok().flatten().is_none() {
        steps.skip("run the fuzz targets", NO_NIGHTLY);
        return Ok(());
    }
    run(workspace, steps, None, SECONDS)
}

/// The targets' names, which are their files'.
fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root().join(FOLDER).join("fuzz_targets");
    let entries = fs::read_dir(&folder).with_context(|| format!("can't read {}", folder.display()));
    let paths: Vec<PathBuf> = entries?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    let mut names: Vec<String> = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// The name of a nightly toolchain, where one is installed.
fn nightly() -> Result<Option<String>> {
    let list = process::capture(Command::new("rustup").args(["toolchain", "list"]), &RUSTUP)?;
    Ok(nightly_of(&list).map(str::to_owned))
}

/// rustup marks the active toolchain behind its name.
fn nightly_of(list: &str) -> Option<&str> {
    let names = list
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    names.into_iter().find(|name| name.starts_with("nightly"))
}

/// How cargo-fuzz is called.
struct Call<'a> {
    workspace: &'a Workspace,
    program: PathBuf,
    toolchain: String,
}

impl Call<'_> {
    fn command(&self, verb: &str) -> Command {
        let mut command = from_a_shell(&self.program);
        command
            .args(["fuzz", verb, "--fuzz-dir", FOLDER, "--target-dir"])
            .arg(self.workspace.fuzz_dir())
            .env("RUSTUP_TOOLCHAIN", &self.toolchain)
            .current_dir(self.workspace.root());
        command
    }

    /// The inputs that were collected for a target.
    fn collected(&self, target: &str) -> PathBuf {
        self.workspace.fuzz_dir().join("corpus").join(target)
    }

    fn fuzz(&self, target: &str, seconds: u32) -> Result<()> {
        let collected = self.collected(target);
        fs::create_dir_all(&collected)
            .with_context(|| format!("can't make {}", collected.display()))?;
        let mut command = self.command("run");
        // The first folder is the one that new inputs are written to.
        command.arg(target).arg(collected);
        command.arg(Path::new(FOLDER).join("seeds").join(target));
        command.arg("--").args([
            format!("-dict={FOLDER}/tokens.dict"),
            format!("-max_total_time={seconds}"),
            format!("-timeout={TIMEOUT_SECONDS}"),
        ]);
        let output = process::finish(&mut command, &process::CARGO)?;
        let said = String::from_utf8_lossy(&output.stderr);
        // libFuzzer has a line with its coverage for every input that it keeps, and one at the end.
        let (counts, told): (Vec<&str>, Vec<&str>) =
            said.lines().partition(|line| line.contains(" cov: "));
        ensure!(output.status.success(), "{}", told.join("\n"));
        eprintln!("    {}", counts.last().unwrap_or(&""));
        Ok(())
    }

    /// Keeps the fewest and shortest inputs that reach all that the collected ones reach. Not `cargo fuzz cmin`, which
    /// works in the folder of the committed targets and can't move what it keeps to another file system.
    fn minimise(&self, target: &str) -> Result<()> {
        let collected = self.collected(target);
        let kept = collected.with_extension("kept");
        if kept.exists() {
            fs::remove_dir_all(&kept)?;
        }
        fs::create_dir(&kept).with_context(|| format!("can't make {}", kept.display()))?;
        let mut command = self.command("run");
        command.arg(target).args([&kept, &collected]);
        command.args(["--", "-merge=1"]);
        process::capture(&mut command, &process::CARGO)?;
        let (before, after) = (count(&collected)?, count(&kept)?);
        fs::remove_dir_all(&collected)?;
        fs::rename(&kept, &collected)?;
        eprintln!("    {after} of {before} collected inputs kept");
        Ok(())
    }
}

/// How many files a folder has.
fn count(folder: &Path) -> Result<usize> {
    let entries = fs::read_dir(folder);
    let entries = entries.with_context(|| format!("can't read {}", folder.display()))?;
    Ok(entries.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nightly_toolchain_is_found_by_its_name() {
        let list = "stable-x86_64-unknown-linux-gnu (active, default)\nnightly-2026-01-01-x86_64\n";
        assert_eq!(nightly_of(list), Some("nightly-2026-01-01-x86_64"));
        assert_eq!(nightly_of("stable-x86_64 (default)\n1.95.0-x86_64\n"), None);
        assert_eq!(nightly_of("no installed toolchains\n"), None);
    }

    #[test]
    fn every_target_has_seeds_and_is_built() {
        let workspace = Workspace::locate().unwrap();
        let manifest = fs::read_to_string(workspace.root().join(MANIFEST)).unwrap();
        let targets = targets(&workspace).unwrap();
        assert!(!targets.is_empty());
        for target in targets {
            let seeds = workspace.root().join(FOLDER).join("seeds").join(&target);
            assert!(fs::read_dir(seeds).unwrap().next().is_some(), "{target}");
            assert!(
                manifest.contains(&format!("\"fuzz_targets/{target}.rs\"")),
                "{target}"
            );
        }
    }
}
