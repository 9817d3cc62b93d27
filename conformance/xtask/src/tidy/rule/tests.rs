//! Each rule: what it finds, and the nearest thing that it must leave alone.

use super::*;

fn names(path: &str) -> Vec<String> {
    check_name(path)
        .into_iter()
        .map(|finding| finding.to_string())
        .collect()
}

/// The lines of a text that a rule finds something in.
fn lines(path: &str, text: &str) -> Vec<usize> {
    check_text(path, text)
        .into_iter()
        .filter_map(|finding| finding.line)
        .collect()
}

#[test]
fn files_that_are_not_named_for_what_is_in_them_are_found() {
    assert_eq!(names("billing-core/src/store/mod.rs").len(), 1);
    assert_eq!(names("queue-server/src/utils.rs").len(), 1);
    assert_eq!(names("queue-server/tests/common/app.rs").len(), 1);
    assert_eq!(names("py-paywall/python/py_paywall/types.pyi").len(), 1);
    assert_eq!(names("billing-core/src/store/model.rs"), [""; 0]);
    assert_eq!(names("docs/types.md"), [""; 0]);
}

#[test]
fn macros_for_the_time_before_a_commit_are_found_in_rust_only() {
    for name in LEFTOVERS {
        let text = format!(
            "fn main() {{\n    {name}!();\n    x.map(|x| {name}!(x));\n    my_{name}!();\n}}\n"
        );
        assert_eq!(lines("src/main.rs", &text), [2, 3], "{text}");
        assert_eq!(lines("notes.md", &text), [0; 0]);
    }
}

#[test]
fn paths_of_one_machine_are_found() {
    for folder in MACHINE_FOLDERS {
        let found = [
            format!("cd /{folder}/x"),
            format!("\"/{folder}/\""),
            format!("PATH=/{folder}/bin:/usr/bin"),
        ];
        let left = [
            format!("src/{folder}/x"),
            format!("../{folder}/x"),
            format!("${{HOME}}/{folder}/x"),
            folder.into(),
        ];
        for text in found {
            assert_eq!(lines("README.md", &text), [1], "{text}");
        }
        for text in left {
            assert_eq!(lines("README.md", &text), [0; 0], "{text}");
        }
    }
}

#[test]
fn registry_hosts_are_found_outside_lock_files() {
    for labels in REGISTRIES {
        let host = labels.join(".");
        let text = format!("see https://{host}/x\nstatic.{host}\nx{host}\n{host}x\n");
        assert_eq!(lines("README.md", &text), [1, 2], "{text}");
        assert_eq!(lines("Cargo.lock", &text), [0; 0]);
    }
    assert_eq!(
        lines(
            "Cargo.toml",
            &format!("[patch.{}]", ["crates", "io"].join("-"))
        ),
        [0; 0]
    );
}

#[test]
fn an_npm_lock_file_with_addresses_is_found() {
    let text = "{\n  \"version\": \"1\",\n  \"resolved\": \"anywhere\"\n}\n";
    assert_eq!(lines("conformance/package-lock.json", text), [3]);
    assert_eq!(lines("conformance/fixture.json", text), [0; 0]);
}

#[test]
fn a_long_rust_file_is_found() {
    let long = "//\n".repeat(MOST_LINES + 1);
    assert_eq!(check_text("src/lib.rs", &long).len(), 1);
    assert_eq!(check_text("src/lib.rs", &long[3..]), []);
    assert_eq!(check_text("vectors/signature.txt", &long), []);
}

#[test]
fn every_exception_for_a_long_file_says_why() {
    assert!(
        LONG_FILES
            .iter()
            .all(|(path, reason)| path.ends_with(".rs") && reason.len() > 10)
    );
}
