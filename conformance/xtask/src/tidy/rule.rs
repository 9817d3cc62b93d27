//! The rules. Each is a function from a path or a text to findings, so that tests need no files.
//!
//! The words looked for are put together at run time: written out, this file would be the first to break its rules.

use super::Finding;

/// A Rust file longer than this holds two things.
const MOST_LINES: usize = 450;

/// Rust files that may be longer, each with the reason. One that no longer needs to be here is a finding as well.
const LONG_FILES: [(&str, &str); 0] = [];

/// Names that say nothing of what is in the file.
const EMPTY_NAMES: [&str; 8] = [
    "util", "utils", "helper", "helpers", "common", "types", "manager", "misc",
];

/// Macros that are for the time before a commit.
const LEFTOVERS: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// First folders of paths that exist on one person's machine or one build machine only.
const MACHINE_FOLDERS: [&str; 4] = ["root", "work", "Users", "workspace"];

/// Hosts of package registries, as labels. Which registry a machine uses is its own business: a lock file or a
/// document that names one breaks behind every mirror.
const REGISTRIES: [&[&str]; 6] = [
    &["crates", "io"],
    &["pypi", "org"],
    &["pythonhosted", "org"],
    &["npmjs", "org"],
    &["npmjs", "com"],
    &["deb", "debian", "org"],
];

/// Files that a package manager writes: some can't help naming their registry.
const LOCK_FILES: [&str; 3] = ["Cargo.lock", "package-lock.json", "uv.lock"];

/// Rules about where a file is and what it is called.
pub(super) fn check_name(path: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |advice: String| {
        findings.push(Finding {
            path: path.to_owned(),
            line: None,
            advice,
        })
    };
    let name = file_name(path);
    if name == "mod.rs" {
        find("name the file after its module: `outbox.rs` beside the folder `outbox`".to_owned());
    }
    if is_source(path) {
        for part in path.split('/') {
            let stem = part.split_once('.').map_or(part, |(stem, _)| stem);
            if EMPTY_NAMES.contains(&stem) {
                find(format!(
                    "`{stem}` says nothing: name it for the thing in it"
                ));
            }
        }
    }
    findings
}

/// Rules about what a file says.
pub(super) fn check_text(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if path.ends_with(".rs") {
        findings.extend(check_length(path, text.lines().count()));
    }
    for (index, line) in text.lines().enumerate() {
        let advice = [
            leftover(path, line),
            machine_path(line),
            registry(path, line),
            resolved(path, line),
        ];
        let line = Some(index + 1);
        findings.extend(advice.into_iter().flatten().map(|advice| Finding {
            path: path.to_owned(),
            line,
            advice,
        }));
    }
    findings
}

/// Exceptions for files that are gone.
pub(super) fn stale_exceptions(paths: &[String]) -> Vec<Finding> {
    let gone = LONG_FILES
        .iter()
        .filter(|(long, _)| !paths.iter().any(|path| path == long));
    gone.map(|(path, _)| Finding {
        path: (*path).to_owned(),
        line: None,
        advice: not_needed("there is no such file"),
    })
    .collect()
}

fn check_length(path: &str, lines: usize) -> Option<Finding> {
    let excepted = LONG_FILES.iter().any(|(long, _)| *long == path);
    let advice = match (lines > MOST_LINES, excepted) {
        (true, false) => {
            format!("{lines} lines, {MOST_LINES} at most: split it by the things in it")
        }
        (false, true) => not_needed("it is short enough"),
        _ => return None,
    };
    Some(Finding {
        path: path.to_owned(),
        line: None,
        advice,
    })
}

fn not_needed(reason: &str) -> String {
    format!("take it out of xtask's table of long files: {reason}")
}

fn leftover(path: &str, line: &str) -> Option<String> {
    let name = LEFTOVERS
        .iter()
        .find(|name| path.ends_with(".rs") && names_macro(line, name))?;
    Some(format!("`{name}!` is not for a commit"))
}

/// Whether the line calls the macro, and not one whose name ends the same.
fn names_macro(line: &str, name: &str) -> bool {
    let call = format!("{name}!(");
    line.match_indices(&call)
        .any(|(at, _)| !ends_in_word(&line[..at]))
}

/// A folder counts only where a path begins, not further down: the needle alone would be in many a relative path.
fn machine_path(line: &str) -> Option<String> {
    let folder = MACHINE_FOLDERS.iter().find(|folder| {
        let needle = format!("/{folder}/");
        line.match_indices(&needle)
            .any(|(at, _)| !line[..at].ends_with(is_path_character))
    })?;
    Some(format!("a path below /{folder} is of one machine only"))
}

fn registry(path: &str, line: &str) -> Option<String> {
    if LOCK_FILES.contains(&file_name(path)) {
        return None;
    }
    let host = REGISTRIES
        .iter()
        .map(|labels| labels.join("."))
        .find(|host| {
            let hosts = line.match_indices(host.as_str());
            let mut ends = hosts.map(|(at, host)| (&line[..at], &line[at + host.len()..]));
            ends.any(|(before, after)| {
                !ends_in_word(before)
                    && !after.starts_with(|c: char| c.is_alphanumeric() || c == '-')
            })
        })?;
    Some(format!(
        "{host} is a registry's host: name the registry or the package instead"
    ))
}

/// npm writes addresses where its configuration doesn't forbid it.
fn resolved(path: &str, line: &str) -> Option<String> {
    let found =
        file_name(path) == "package-lock.json" && line.trim_start().starts_with("\"resolved\"");
    found.then(|| "make the lock file with `--omit-lockfile-registry-resolved`".to_owned())
}

fn is_source(path: &str) -> bool {
    [".rs", ".py", ".pyi"]
        .iter()
        .any(|extension| path.ends_with(extension))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn ends_in_word(text: &str) -> bool {
    text.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-')
}

fn is_path_character(c: char) -> bool {
    c.is_alphanumeric() || "._-~}/".contains(c)
}

#[cfg(test)]
mod tests;
