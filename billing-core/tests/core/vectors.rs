//! The language-neutral vectors of `conformance/vectors`: the same files drive every language.

mod decision;
mod order;
mod path;
mod push;
mod signature;

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A vector file.
#[derive(Deserialize)]
struct Vectors<I> {
    cases: Vec<Case<I>>,
}

#[derive(Deserialize)]
struct Case<I> {
    name: String,
    input: I,
    expected: Value,
}

/// The body of a request: as UTF-8, or a text that stands there so many times.
#[derive(Deserialize)]
struct Body {
    body: Option<String>,
    body_repeated: Option<Repeated>,
}

#[derive(Deserialize)]
struct Repeated {
    text: String,
    times: usize,
}

impl Body {
    fn bytes(&self) -> Vec<u8> {
        match (&self.body, &self.body_repeated) {
            (Some(body), None) => body.clone().into_bytes(),
            (None, Some(Repeated { text, times })) => text.repeat(*times).into_bytes(),
            _ => panic!("a case has one body"),
        }
    }
}

impl<I: DeserializeOwned> Vectors<I> {
    fn read(file: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/vectors");
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Answers every case, and tells of all that were answered otherwise than expected.
    fn check(self, answer: impl Fn(I) -> Value) {
        assert!(!self.cases.is_empty());
        let mut wrong = Vec::new();
        for case in self.cases {
            let answered = answer(case.input);
            if answered != case.expected {
                let (name, expected) = (case.name, case.expected);
                wrong.push(format!(
                    "{name}:\n  expected {expected}\n  answered {answered}"
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
