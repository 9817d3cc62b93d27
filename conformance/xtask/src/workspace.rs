//! The folders that everything else works in.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::process;

/// Where the workspace, its build folder and its cargo are.
pub(crate) struct Workspace {
    cargo: PathBuf,
    root: PathBuf,
    target: PathBuf,
    programs: Vec<String>,
}

impl Workspace {
    /// Asks cargo, which alone knows what `CARGO_TARGET_DIR` and the configuration files make of the build folder.
    pub(crate) fn locate() -> Result<Self> {
        let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        let mut metadata = from_a_shell(&cargo);
        metadata.args(["metadata", "--no-deps", "--format-version=1", "--locked"]);
        let metadata = process::capture(&mut metadata, &process::CARGO)?;
        let metadata: serde_json::Value =
            serde_json::from_str(&metadata).context("cargo metadata did not print JSON")?;
        let folder = |key: &str| {
            let value = metadata[key]
                .as_str()
                .with_context(|| format!("cargo metadata names no {key}"))?;
            anyhow::Ok(PathBuf::from(value))
        };
        Ok(Self {
            root: folder("workspace_root")?,
            target: folder("target_directory")?,
            programs: programs(&metadata),
            cargo,
        })
    }

    /// The names of the workspace's programs, xtask apart.
    pub(crate) fn programs(&self) -> &[String] {
        &self.programs
    }

    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The build folder.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The folder that the programs of a debug build land in; examples are in `examples` below it.
    pub(crate) fn bin_dir(&self) -> PathBuf {
        self.target.join("debug")
    }

    /// The folder that fuzz targets are built in, and that collects what they find interesting.
    pub(crate) fn fuzz_dir(&self) -> PathBuf {
        self.target.join("fuzz")
    }

    /// The folder that fetched tools are kept in. Inside the build folder, so that `cargo clean` removes them too.
    pub(crate) fn tools_dir(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The committed files that pin the tools.
    pub(crate) fn pins_dir(&self) -> PathBuf {
        self.root.join("conformance/xtask/tools")
    }

    /// A call of cargo in the workspace's root.
    pub(crate) fn cargo<I, S>(&self, args: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = from_a_shell(&self.cargo);
        command.args(args).current_dir(&self.root);
        command
    }
}

/// Reads the names of all programs but xtask out of cargo's description of the workspace.
fn programs(metadata: &serde_json::Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let bins = targets.filter(|target| target["kind"][0] == "bin");
    let names = bins.filter_map(|target| target["name"].as_str());
    names
        .filter(|name| *name != env!("CARGO_PKG_NAME"))
        .map(str::to_owned)
        .collect()
}

/// A call of a program, cargo for one, as if from a shell.
///
/// `cargo run` tells its child which package it is. A build script that watches such a variable (ring's does) would see
/// another value under xtask than in a plain `cargo build`, and half the tree would be compiled again at each change
/// between the two.
pub(crate) fn from_a_shell(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let own = name.to_str().is_some_and(|name| {
            ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
                || [
                    "CARGO",
                    "CARGO_CRATE_NAME",
                    "CARGO_PRIMARY_PACKAGE",
                    "OUT_DIR",
                ]
                .contains(&name)
        });
        if own {
            command.env_remove(name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_but_for_xtask() {
        let workspace = Workspace::locate().unwrap();
        assert!(workspace.programs().contains(&"queue-server".to_owned()));
        assert!(!workspace.programs().contains(&"xtask".to_owned()));
    }
}
