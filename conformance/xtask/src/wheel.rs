//! The Python wheel: built by maturin, installed as a user would, linted and tested.
//!
//! What is tested is what would be shipped: a release build, installed from the wheel. One part of it is built a second
//! time, with the feature `failpoints`: a panic of the native code can't be had otherwise.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{
    postgres::Server,
    process,
    step::Steps,
    tools::Tools,
    workspace::{Workspace, from_a_shell},
};

/// The crate and the Python project.
pub(crate) const FOLDER: &str = "py-paywall";

/// A wheel that is built and installed.
pub(crate) struct Wheel<'a> {
    workspace: &'a Workspace,
    python: &'a Path,
}

impl<'a> Wheel<'a> {
    /// Builds the wheel and installs it into the environment of the tools.
    pub(crate) fn build(
        workspace: &'a Workspace,
        steps: &mut Steps,
        python: &'a Path,
    ) -> Result<Self> {
        let wheel = Self { workspace, python };
        steps.run(
            "build the wheel",
            "optimised, as it would be shipped; minutes the first time, then seconds",
            || {
                let built = wheel.maturin(&wheel.folder("shipped"), &[])?;
                wheel.pip_install(python, &built)
            },
        )?;
        Ok(wheel)
    }

    /// Lints the Python code and compares the stubs with the module.
    pub(crate) fn lint(&self, steps: &mut Steps) -> Result<()> {
        steps.run(
            "lint the wheel's Python",
            "`ruff format py-paywall` mends the format; types are checked strictly, stubs against the module",
            || {
                self.show(&["-m", "ruff", "format", "--check", "."])?;
                self.show(&["-m", "ruff", "check", "."])?;
                self.show(&["-m", "mypy", "python/py_paywall", "tests"])?;
                self.show(&["-m", "mypy.stubtest", "py_paywall._native"])
            },
        )
    }

    /// Tries the wheel alone in an environment without anything else, then tests all of it.
    pub(crate) fn test(
        &self,
        steps: &mut Steps,
        tools: &Tools,
        server: &Server,
        args: &[String],
    ) -> Result<()> {
        steps.run(
            "try the wheel in a fresh environment",
            "a gate needs nothing but the wheel",
            || self.try_alone(),
        )?;
        let failpoints = steps.run(
            "build the wheel that panics",
            "for tests of what a panic of the native code does",
            || self.unpack_failpoints(),
        )?;
        steps.run(
            "test the wheel",
            "in front of real frameworks and servers; warnings are errors",
            || {
                let mut pytest = self.call(&["-m", "pytest"]);
                tools.export(self.workspace, &mut pytest);
                server.export(&mut pytest);
                pytest.env("PY_PAYWALL_FAILPOINTS", &failpoints).args(args);
                process::show(&mut pytest)
            },
        )
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.workspace.target().join("wheels").join(name)
    }

    /// A call of the environment's Python in the project's folder.
    fn call(&self, args: &[&str]) -> Command {
        let mut call = from_a_shell(self.python);
        call.args(args)
            .current_dir(self.workspace.root().join(FOLDER));
        call
    }

    fn show(&self, args: &[&str]) -> Result<()> {
        process::show(&mut self.call(args))
    }

    /// Builds a wheel into a folder that holds nothing else then.
    fn maturin(&self, folder: &Path, args: &[&str]) -> Result<PathBuf> {
        if folder.exists() {
            fs::remove_dir_all(folder)
                .with_context(|| format!("can't empty {}", folder.display()))?;
        }
        let mut build = self.call(&["-m", "maturin", "build", "--release", "--locked"]);
        build.args(args).arg("--out").arg(folder);
        // What the environment's own Python can load, wherever else there is one.
        build.arg("--interpreter").arg(self.python);
        process::show(&mut build)?;
        let files =
            fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))?;
        let built = files.flatten().map(|file| file.path());
        let mut wheels =
            built.filter(|path| path.extension().is_some_and(|extension| extension == "whl"));
        wheels.next().context("maturin built no wheel")
    }

    fn pip_install(&self, python: &Path, wheel: &Path) -> Result<()> {
        let mut pip = from_a_shell(python);
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
        ])
        .args(["--no-index", "--no-deps", "--force-reinstall"])
        .arg(wheel);
        process::show(&mut pip)
    }

    fn try_alone(&self) -> Result<()> {
        let folder = self.folder("fresh");
        self.show_os(&[
            "-m".into(),
            "venv".into(),
            "--clear".into(),
            folder.clone().into(),
        ])?;
        let program = if cfg!(windows) {
            "Scripts/python.exe"
        } else {
            "bin/python"
        };
        let python = folder.join(program);
        let shipped = fs::read_dir(self.folder("shipped")).context("there is no wheel")?;
        let wheel = shipped.flatten().map(|file| file.path()).next();
        self.pip_install(&python, &wheel.context("there is no wheel")?)?;
        let program = "import sys, py_paywall, py_paywall.asgi, py_paywall.wsgi; \
                       assert not {'fastapi', 'starlette', 'flask', 'django'} & set(sys.modules); \
                       print('py-paywall', py_paywall.__version__, 'on', sys.version.split()[0])";
        process::show(from_a_shell(&python).args(["-W", "error", "-c", program]))
    }

    fn show_os(&self, args: &[OsString]) -> Result<()> {
        process::show(self.call(&[]).args(args))
    }

    /// A folder with the package whose native code panics on request.
    fn unpack_failpoints(&self) -> Result<PathBuf> {
        let wheel = self.maturin(&self.folder("failpoints"), &["--features", "failpoints"])?;
        let folder = self.folder("failpoints").join("site");
        self.show_os(&[
            "-m".into(),
            "zipfile".into(),
            "-e".into(),
            wheel.into(),
            folder.clone().into(),
        ])?;
        ensure!(
            folder.join("py_paywall").is_dir(),
            "the wheel has no package in it"
        );
        Ok(folder)
    }
}
