//! A program that runs beside the demonstration and says where it listens.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long a program may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running program.
pub(super) struct Program {
    name: &'static str,
    process: Child,
    url: String,
    log: PathBuf,
}

impl Program {
    /// Starts a program whose first line on standard output is `listening on URL`. Its log goes to a file.
    pub(super) async fn start(
        name: &'static str,
        path: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
        folder: &Path,
    ) -> anyhow::Result<Self> {
        ensure!(
            path.is_file(),
            "{} is not there: `cargo demo` builds it",
            path.display()
        );
        let log = folder.join(format!("{name}.log"));
        let mut command = Command::new(path);
        command
            .args(arguments)
            .envs(environment.iter().copied())
            .current_dir(folder);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .kill_on_drop(true);
        let mut process = command
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        let output = process.stdout.take().context("a child without output")?;
        let mut lines = BufReader::new(output).lines();
        let first = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let Ok(Ok(Some(line))) = first else {
            bail!(
                "{name} did not say where it listens: {}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
        };
        let url = line
            .strip_prefix("listening on ")
            .with_context(|| format!("{name} said {line:?}"))?;
        Ok(Self {
            name,
            url: url.to_owned(),
            process,
            log,
        })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Asks the program to stop, and sees that it ends with exit code 0.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let id = self
            .process
            .id()
            .with_context(|| format!("{} ended by itself", self.name))?;
        Command::new("kill")
            .args(["-TERM", &id.to_string()])
            .status()
            .await?;
        let status = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        let status = status.with_context(|| format!("{} does not stop", self.name))??;
        let log = || std::fs::read_to_string(&self.log).unwrap_or_default();
        ensure!(
            status.success(),
            "{} ended with {status}: {}",
            self.name,
            log()
        );
        Ok(())
    }
}
