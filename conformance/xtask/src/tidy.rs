//! What the house style rules out and no compiler sees.
//!
//! Looks at the files that git tracks or would track, so that a fault is found before it is committed. What each rule
//! is and why stands in [`rule`].

mod rule;

use std::{fmt, fs, process::Command};

use anyhow::{Context, Result, bail};

use crate::{
    process::{self, Advice},
    step::Steps,
    workspace::Workspace,
};

const GIT: Advice = Advice {
    missing: "git: https://git-scm.com",
    failed: "Only a git work tree can be checked: clone the repository rather than unpack an archive of it.",
};

/// One fault: where, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Counted from one; none when it is about the file as a whole.
    line: Option<usize>,
    advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "{}:{line}: {}", self.path, self.advice),
            None => write!(out, "{}: {}", self.path, self.advice),
        }
    }
}

/// Checks every file against every rule and reports all that it finds.
pub(crate) fn step(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.run(
        "check that the tree is tidy",
        "names, sizes, leftovers, traces of somebody's machine",
        || {
            let findings = findings(workspace)?;
            if findings.is_empty() {
                return Ok(());
            }
            let lines: Vec<String> = findings
                .iter()
                .map(|finding| format!("    {finding}"))
                .collect();
            bail!("{} to mend:\n{}", lines.len(), lines.join("\n"))
        },
    )
}

fn findings(workspace: &Workspace) -> Result<Vec<Finding>> {
    let paths = paths(workspace)?;
    let mut findings = rule::stale_exceptions(&paths);
    for path in paths {
        findings.extend(rule::check_name(&path));
        let bytes =
            fs::read(workspace.root().join(&path)).with_context(|| format!("can't read {path}"))?;
        // Pictures and the like have names only.
        if let Ok(text) = std::str::from_utf8(&bytes) {
            findings.extend(rule::check_text(&path, text));
        }
    }
    Ok(findings)
}

/// Every file of the work tree but the ignored ones, with `/` between folders on all platforms.
fn paths(workspace: &Workspace) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ])
    .current_dir(workspace.root());
    let list = process::capture(&mut git, &GIT)?;
    let in_work_tree = |path: &&str| !path.is_empty() && workspace.root().join(path).is_file();
    Ok(list
        .split('\0')
        .filter(in_work_tree)
        .map(str::to_owned)
        .collect())
}
