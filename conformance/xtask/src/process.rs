//! Running programs: shown as they are called, and a failure that says what to do.

use std::{
    io::ErrorKind,
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

/// Runs a program whose output the developer wants to see, such as cargo's.
pub(crate) fn show(command: &mut Command) -> Result<()> {
    eprintln!("    $ {}", line(command));
    let status = command
        .status()
        .with_context(|| format!("could not start `{}`", line(command)))?;
    ensure!(status.success(), "`{}` failed ({status})", line(command));
    Ok(())
}

/// What to tell a developer whose machine can't run a program.
pub(crate) struct Advice {
    /// Completes "It comes with".
    pub(crate) missing: &'static str,
    /// A sentence for when the program ran and failed; empty where its own words are enough.
    pub(crate) failed: &'static str,
}

/// Advice on cargo, which is there: xtask was started by it.
pub(crate) const CARGO: Advice = Advice {
    missing: "Rust: https://rustup.rs",
    failed: "",
};

/// Runs a program for its standard output, which is kept out of sight along with standard error.
pub(crate) fn capture(command: &mut Command, advice: &Advice) -> Result<String> {
    let output = finish(command, advice)?;
    if !output.status.success() {
        // Not every program complains on standard error: Debian's venv tells what to install on standard output.
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        bail!(
            "`{}` failed ({}):\n{}\n{}",
            line(command),
            output.status,
            said.trim_end(),
            advice.failed
        );
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed what is not UTF-8", line(command)))
}

/// Runs a program to its end, for callers who judge its failure themselves.
pub(crate) fn finish(command: &mut Command, advice: &Advice) -> Result<Output> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) => Ok(output),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "`{}` is not on this machine. It comes with {}",
            command.get_program().display(),
            advice.missing
        ),
        Err(error) => Err(error).with_context(|| format!("could not start `{}`", line(command))),
    }
}

/// The call as one would type it, without the folders of a program's path.
fn line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut line = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}
