//! Runs the official, unmodified Stripe CLI against the simulator.
//!
//! 1. The binary gets an empty home and configuration of its own and none of the caller's environment:
//!    in particular no `STRIPE_API_KEY`, which would win over the key that is passed.
//! 2. Its telemetry and its self-update are off, and it never runs longer than the time-out.
//! 3. It accepts another `--api-base` than Stripe's only if that is `http://127.0.0.1:PORT`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use crate::driver::API_KEY;

const TIMEOUT: Duration = Duration::from_secs(60);

/// The CLI, set up to talk to one API.
#[derive(Debug)]
pub struct StripeCli {
    binary: PathBuf,
    api_base: String,
    home: TempDir,
}

/// A change to what a trigger or a fixture file sends, in the CLI's own notation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// `customer:name=Ada` changes a parameter of the request named `customer`.
    Override(String),
    /// `customer:email=ada@example.com` adds one.
    Add(String),
    /// `customer:description` leaves one out.
    Remove(String),
    /// `product` leaves a whole request out.
    Skip(String),
}

impl Edit {
    fn arguments(&self) -> [&str; 2] {
        match self {
            Self::Override(text) => ["--override", text],
            Self::Add(text) => ["--add", text],
            Self::Remove(text) => ["--remove", text],
            Self::Skip(text) => ["--skip", text],
        }
    }
}

impl StripeCli {
    /// Takes the binary at `path` and the address of a simulator on the loopback interface.
    ///
    /// # Errors
    /// When there is no such file, or the address isn't one that the CLI accepts.
    pub fn new(path: impl Into<PathBuf>, api_base: impl Into<String>) -> anyhow::Result<Self> {
        let (binary, api_base) = (path.into(), api_base.into());
        ensure!(
            binary.is_file(),
            "there is no Stripe CLI at {}",
            binary.display()
        );
        let local = api_base.starts_with("http://127.0.0.1:");
        ensure!(
            local,
            "the Stripe CLI accepts http://127.0.0.1:PORT only, not {api_base}"
        );
        let home = tempfile::tempdir().context("no temporary folder for the Stripe CLI")?;
        Ok(Self {
            binary,
            api_base,
            home,
        })
    }

    /// `stripe trigger EVENT`: returns what it printed.
    ///
    /// # Errors
    /// When it fails or takes too long; the message has its output.
    pub async fn trigger(&self, event_type: &str, edits: &[Edit]) -> anyhow::Result<String> {
        let mut arguments = vec!["trigger", event_type];
        arguments.extend(edits.iter().flat_map(Edit::arguments));
        self.run(&arguments, &[]).await
    }

    /// `stripe fixtures FILE`, with variables for its `${.env:NAME}`: returns what it printed.
    ///
    /// # Errors
    /// When it fails or takes too long; the message has its output.
    pub async fn fixtures(
        &self,
        file: &Path,
        variables: &[(&str, &str)],
    ) -> anyhow::Result<String> {
        let file = file
            .to_str()
            .context("the path of the fixture file is not UTF-8")?;
        self.run(&["fixtures", file], variables).await
    }

    /// `stripe --version`, for the record.
    ///
    /// # Errors
    /// When it fails or takes too long.
    pub async fn version(&self) -> anyhow::Result<String> {
        let printed = self.output(self.command().arg("--version")).await?;
        Ok(printed.lines().next().unwrap_or_default().trim().to_owned())
    }

    async fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<String> {
        let mut command = self.command();
        command
            .args(arguments)
            .args([
                "--api-base",
                &self.api_base,
                "--api-key",
                API_KEY,
                "--color",
                "off",
            ])
            .arg("--config")
            .arg(self.home.path().join("config.toml"))
            .envs(variables.iter().copied());
        self.output(&mut command).await
    }

    fn command(&self) -> Command {
        let home = self.home.path();
        let mut command = Command::new(&self.binary);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home)
            .env("STRIPE_CLI_TELEMETRY_OPTOUT", "1")
            .env("STRIPE_NO_AUTO_UPDATE", "1")
            .current_dir(home)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn output(&self, command: &mut Command) -> anyhow::Result<String> {
        let what = describe(command);
        let Ok(output) = tokio::time::timeout(TIMEOUT, command.output()).await else {
            bail!("{what} took longer than {} s", TIMEOUT.as_secs());
        };
        let output = output.with_context(|| format!("{what} does not run"))?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{what} failed ({}):\n{stdout}\n{stderr}",
            output.status
        );
        Ok(stdout)
    }
}

fn describe(command: &Command) -> String {
    let arguments = command.as_std().get_args().filter_map(OsStr::to_str);
    format!("stripe {}", arguments.collect::<Vec<_>>().join(" "))
}
