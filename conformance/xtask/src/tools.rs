//! The pinned programs that tests drive, fetched into the build folder.
//!
//! 1. A tool is fetched with its own client (npm, pip, cargo), as that is set up on the machine, and checked against the
//!    digests in the committed lock files.
//! 2. An installation is marked with the pins it was made from, last of all: one that was cut short, or whose pins have
//!    changed, is made anew.
//! 3. One process installs at a time; others wait.
//! 4. A variable that is set already wins: a machine without network can bring its own tool.

mod cargo_fuzz;
mod npm;
mod postgres;
mod python;
mod stripe_cli;
mod stripe_node;
mod wrk;

use std::{
    env,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

pub(crate) use self::postgres::ADVICE as POSTGRES;
use self::wrk::Wrk;
use crate::{step::Steps, workspace::Workspace};

const STRIPE_CLI_BIN: &str = "STRIPE_CLI_BIN";
const CONFORMANCE_PYTHON: &str = "CONFORMANCE_PYTHON";
const OPENAPI_PYTHON: &str = "OPENAPI_PYTHON";
const STRIPE_NODE_LIBRARY: &str = "STRIPE_NODE_LIBRARY";
const WHEEL_PYTHON: &str = "WHEEL_PYTHON";
const WRK_BIN: &str = "WRK_BIN";
const WRK_LIBRARY_PATH: &str = "WRK_LIBRARY_PATH";

/// How hard to try for a tool that the caller can do without.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// The caller fails without the tool.
    Full,
    /// The caller goes on without it: don't keep a developer waiting on a dead network.
    Short,
}

/// Where the tools are, and what the programs that use them are told.
pub(crate) struct Tools {
    stripe_cli: Option<PathBuf>,
    python: Option<PathBuf>,
    stripe_node: Option<PathBuf>,
    openapi_python: Option<PathBuf>,
    wheel_python: Option<PathBuf>,
    wrk: Option<Wrk>,
}

impl Tools {
    /// All of them, for tests: one that is missing is an error, not a test skipped in silence. But for wrk, which not
    /// every machine can have: its tests say so.
    pub(crate) fn fetch(workspace: &Workspace, steps: &mut Steps) -> Result<Self> {
        let stripe_cli = steps.run(
            "get the Stripe CLI",
            "tests drive the simulator with the official one, pinned; about 11 MB, once",
            || {
                provided(STRIPE_CLI_BIN, || {
                    stripe_cli::install(workspace, Patience::Full)
                })
            },
        )?;
        let python = steps.run(
            "get Stripe's Python client",
            "tests call the simulator with the official one, pinned, in an environment of its own; 3 MB, once",
            || provided(CONFORMANCE_PYTHON, || python::install(workspace, "python")),
        )?;
        let stripe_node = steps.run(
            "get Stripe's client for Node.js",
            "tests compare Queue's own client with the official ones, pinned; 8 MB, once",
            || provided(STRIPE_NODE_LIBRARY, || stripe_node::install(workspace)),
        )?;
        let openapi_python = steps.run(
            "get what reads the server's description",
            "schemathesis and a generator of clients, pinned, in an environment of their own; about 30 MB, once",
            || provided(OPENAPI_PYTHON, || python::install(workspace, "openapi")),
        )?;
        let wheel_python = wheel_python(workspace, steps)?;
        Ok(Self {
            stripe_cli: Some(stripe_cli),
            python: Some(python),
            stripe_node: Some(stripe_node),
            openapi_python: Some(openapi_python),
            wheel_python: Some(wheel_python),
            wrk: wrk(workspace, steps),
        })
    }

    /// What can be had of what the demonstration uses. Says so when that is nothing.
    pub(crate) fn fetch_for_demo(workspace: &Workspace, steps: &mut Steps) -> Self {
        let stripe_cli = steps.run(
            "get the Stripe CLI",
            "the demonstration can be driven by the official one; about 11 MB, once",
            || {
                provided(STRIPE_CLI_BIN, || {
                    stripe_cli::install(workspace, Patience::Short)
                })
            },
        );
        let stripe_cli = stripe_cli
            .inspect_err(|error| {
                // Not the whole of npm's account: nothing is wrong that the developer has to mend.
                for line in format!("{error:#}").lines().take(2) {
                    eprintln!("    {line}");
                }
                eprintln!(
                    "    Going on without it: the simulator's own driver will make the same calls."
                );
            })
            .ok();
        let wheel_python = wheel_python(workspace, steps)
            .inspect_err(|error| {
                for line in format!("{error:#}").lines().take(2) {
                    eprintln!("    {line}");
                }
                eprintln!("    Going on without the application behind the Python wheel.");
            })
            .ok();
        Self {
            stripe_cli,
            python: None,
            stripe_node: None,
            openapi_python: None,
            wheel_python,
            wrk: None,
        }
    }

    /// The Python that the wheel is built and tested with.
    pub(crate) fn wheel_python(&self) -> Option<&Path> {
        self.wheel_python.as_deref()
    }

    /// Tells a program where the tools and the workspace's own programs are.
    pub(crate) fn export(&self, workspace: &Workspace, command: &mut Command) {
        // A variable that leads nowhere was told of already: the program must not stumble over it again.
        command
            .env_remove(STRIPE_CLI_BIN)
            .envs(self.variables(workspace));
    }

    /// The program of a PostgreSQL server, for want of one on this machine.
    pub(crate) fn postgres(&self, workspace: &Workspace) -> Result<PathBuf> {
        let python = self.python.as_deref();
        postgres::install(workspace, python.context("Python was not fetched")?)
    }

    fn variables(&self, workspace: &Workspace) -> Vec<(&'static str, PathBuf)> {
        let mut variables = vec![("BILLING_BIN_DIR", workspace.bin_dir())];
        variables.extend(self.stripe_cli.clone().map(|path| (STRIPE_CLI_BIN, path)));
        variables.extend(self.python.clone().map(|path| (CONFORMANCE_PYTHON, path)));
        let stripe_node = self.stripe_node.clone();
        variables.extend(stripe_node.map(|path| (STRIPE_NODE_LIBRARY, path)));
        let openapi_python = self.openapi_python.clone();
        variables.extend(openapi_python.map(|path| (OPENAPI_PYTHON, path)));
        let wheel_python = self.wheel_python.clone();
        variables.extend(wheel_python.map(|path| (WHEEL_PYTHON, path)));
        if let Some(wrk) = &self.wrk {
            variables.push((WRK_BIN, wrk.program.clone()));
            let libraries = wrk.libraries.clone();
            variables.extend(libraries.map(|path| (WRK_LIBRARY_PATH, path)));
        }
        // The CLI reports its use to Stripe unless told not to. A test talks to nobody.
        variables.push(("STRIPE_CLI_TELEMETRY_OPTOUT", PathBuf::from("true")));
        variables
    }
}

fn wheel_python(workspace: &Workspace, steps: &mut Steps) -> Result<PathBuf> {
    steps.run(
        "get what builds and tests the wheel",
        "maturin, the frameworks and servers that it stands in front of, pinned; about 60 MB, once",
        || provided(WHEEL_PYTHON, || python::install(workspace, "wheel")),
    )
}

/// What loads servers in the wheel's tests. Says so when there is none.
fn wrk(workspace: &Workspace, steps: &mut Steps) -> Option<Wrk> {
    let wrk = steps.run(
        "get wrk",
        "the wheel's servers are tested under its load; 1 MB, once, where the machine has none of its own",
        || {
            if env::var_os(WRK_BIN).is_some_and(|path| !path.is_empty()) {
                let none = || bail!("{WRK_BIN} is set");
                return Ok(Wrk {
                    program: provided(WRK_BIN, none)?,
                    libraries: env::var_os(WRK_LIBRARY_PATH).map(PathBuf::from),
                });
            }
            wrk::find(workspace)
        },
    );
    wrk.inspect_err(|error| {
        for line in format!("{error:#}").lines().take(4) {
            eprintln!("    {line}");
        }
        eprintln!("    Going on without it: the tests of servers under load will be SKIPPED.");
    })
    .ok()
}

/// The program that builds and runs fuzz targets.
pub(crate) fn cargo_fuzz(workspace: &Workspace, steps: &mut Steps) -> Result<PathBuf> {
    steps.run(
        "get cargo-fuzz",
        "it builds the fuzz targets, pinned; a minute or two, once",
        || cargo_fuzz::install(workspace),
    )
}

/// The `tools` command: fetches and prints, for a shell to evaluate.
pub(crate) fn print(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    let tools = Tools::fetch(workspace, steps)?;
    for (name, value) in tools.variables(workspace) {
        println!(
            "export {name}='{}'",
            value.display().to_string().replace('\'', r"'\''")
        );
    }
    Ok(())
}

/// The program that the variable names, or else the one that `install` brings.
fn provided(variable: &str, install: impl FnOnce() -> Result<PathBuf>) -> Result<PathBuf> {
    let Some(path) = env::var_os(variable)
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
    else {
        return install();
    };
    ensure!(
        path.is_file(),
        "{variable} is set to {}, which is not there",
        path.display()
    );
    eprintln!("    {variable} is set: using {}", path.display());
    Ok(path)
}

/// One tool's folder, filled by at most one process at a time.
struct Installation {
    folder: PathBuf,
    pins: String,
    /// Held until dropped; the operating system lets go of it even when xtask is killed.
    _lock: File,
}

impl Installation {
    /// Waits for the folder. `pins` is everything that the installation depends on.
    fn open(workspace: &Workspace, name: &str, pins: &[&str]) -> Result<Self> {
        let tools = workspace.tools_dir();
        fs::create_dir_all(&tools).with_context(|| format!("can't make {}", tools.display()))?;
        let lock_path = tools.join(format!("{name}.lock"));
        let lock = File::create(&lock_path)
            .with_context(|| format!("can't write {}", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("    waiting for another xtask that is fetching it");
                lock.lock()
                    .with_context(|| format!("can't lock {}", lock_path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("can't lock {}", lock_path.display()));
            }
        }
        let folder = tools.join(name);
        // A virtual environment has its own place written into it: a build folder that was moved needs another.
        let pins = format!("{}\n{}", folder.display(), pins.join("\n"));
        Ok(Self {
            folder,
            pins,
            _lock: lock,
        })
    }

    /// The program at `path` in the folder, after `fill` where what is there is not what the pins say.
    fn program(&self, path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let program = self.folder.join(path);
        let stamp = self.folder.join("installed-from");
        let current = fs::read_to_string(&stamp).is_ok_and(|pins| pins == self.pins);
        if !current || !program.is_file() {
            if self.folder.exists() {
                fs::remove_dir_all(&self.folder)
                    .with_context(|| format!("can't remove {}", self.folder.display()))?;
            }
            fs::create_dir_all(&self.folder)
                .with_context(|| format!("can't make {}", self.folder.display()))?;
            fill(&self.folder)?;
            ensure!(
                program.is_file(),
                "the installation went well but brought no {}",
                program.display()
            );
            fs::write(&stamp, &self.pins)
                .with_context(|| format!("can't write {}", stamp.display()))?;
        }
        eprintln!("    {}", program.display());
        Ok(program)
    }
}

/// Reads one of the committed files that pin a tool.
fn pin(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
}
