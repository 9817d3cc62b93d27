//! Form parsing, as the Stripe simulator does it: form_urlencoded pairs whose names have brackets become a tree.
//!
//! 1. Whatever comes is parsed, to a tree of bounded depth, and the typed readers stay within their limits.
//! 2. Names without brackets are read as form_urlencoded reads them; the last of a name counts.
//! 3. A tree written as a form again is the same tree.
//! 4. `name[]` adds to a list and changes nothing else in it; a list has an element for each number.
//!
//! Input: a form.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|form: &[u8]| simulator::check(form));

/// The parser where it stands, without the servers and databases that the rest of its crate needs.
#[expect(dead_code, reason = "of the files taken in, only the parser is used")]
#[path = "../../src/simulator"]
mod simulator {
    mod card;
    mod error;
    mod form;

    use std::collections::HashMap;

    use form::Params;
    use form_urlencoded::Serializer;
    use serde_json::{Map, Value};

    /// A name, ten pairs of brackets, and the tree itself.
    const MAX_DEPTH: usize = 12;

    pub(super) fn check(form: &[u8]) {
        let params = Params::parse(form);
        let tree = params.as_json();
        assert!(depth(&tree) <= MAX_DEPTH);
        plain_names_are_read_as_they_are(form, &params);
        let Value::Object(fields) = tree else {
            panic!("a form is an object")
        };
        written_again_it_is_the_same(&fields);
        for name in fields.keys() {
            readers_keep_their_limits(&params, name);
            adding_changes_nothing_else(form, &params, name);
        }
    }

    fn depth(tree: &Value) -> usize {
        let Value::Object(fields) = tree else {
            return 1;
        };
        1 + fields.values().map(depth).max().unwrap_or(0)
    }

    fn plain_names_are_read_as_they_are(form: &[u8], params: &Params) {
        let mut heads = HashMap::new();
        for (key, text) in form_urlencoded::parse(form) {
            let bracket = key.find('[').filter(|_| key.ends_with(']'));
            let head = key[..bracket.unwrap_or(key.len())].to_owned();
            heads.insert(head, bracket.is_none().then(|| text.into_owned()));
        }
        // An empty name is given the next number, which may be another's.
        heads.remove("");
        let plain = heads
            .into_iter()
            .filter_map(|(name, text)| Some((name, text?)));
        for (name, text) in plain.filter(|(name, _)| name.parse::<usize>().is_err()) {
            assert_eq!(
                params.text(&name),
                Some(text.as_str()).filter(|text| !text.is_empty())
            );
            assert_eq!(params.unsets(&name), text.is_empty());
        }
    }

    fn written_again_it_is_the_same(fields: &Map<String, Value>) {
        let mut form = Serializer::new(String::new());
        if fields
            .iter()
            .all(|(name, value)| write(&mut form, name, value))
        {
            let again = Params::parse(form.finish().as_bytes());
            assert_eq!(again.as_json(), Value::Object(fields.clone()));
        }
    }

    /// Whether it can be written: a name that is empty, or holds brackets that are no nesting, can't.
    fn write(form: &mut Serializer<'_, String>, name: &str, value: &Value) -> bool {
        let last = name.rsplit(['[', ']']).find(|part| !part.is_empty());
        match value {
            Value::String(text) => {
                form.append_pair(name, text);
                last.is_some()
            }
            Value::Object(fields) => fields.iter().all(|(inner, value)| {
                let plain = !inner.is_empty() && !inner.contains(['[', ']']);
                plain && !name.is_empty() && write(form, &format!("{name}[{inner}]"), value)
            }),
            _ => panic!("a form is text"),
        }
    }

    fn readers_keep_their_limits(params: &Params, name: &str) {
        let time = params.timestamp(name);
        assert!(time.is_err() || time.is_ok_and(|time| time.is_none_or(|time| time >= 0)));
        if let Ok(Some(number)) = params.integer(name) {
            assert_eq!(
                params.text(name).and_then(|text| text.parse().ok()),
                Some(number)
            );
        }
        let _ = params.flag(name).map_err(|error| error.body());
        let numbered = |key: &&String| key.parse::<usize>().is_ok();
        let group = params.group(name).as_json();
        let elements = group
            .as_object()
            .map_or(0, |group| group.keys().filter(numbered).count());
        let list = params.list(name);
        assert_eq!(list.len(), elements);
        let objects = group
            .as_object()
            .is_some_and(|group| group.values().all(Value::is_object));
        assert!(!objects || list.iter().all(|element| !element.is_empty()));
    }

    fn adding_changes_nothing_else(form: &[u8], params: &Params, name: &str) {
        if name.is_empty() || name.contains(['[', ']']) {
            return;
        }
        let mut more = Serializer::new(String::new());
        more.append_pair(&format!("{name}[]"), "added");
        let more = Params::parse(&[form, b"&", more.finish().as_bytes()].concat());
        let (before, after) = (params.group(name).as_json(), more.group(name).as_json());
        let (Value::Object(before), Value::Object(after)) = (before, after) else {
            panic!("a group is an object")
        };
        assert_eq!(after.len(), before.len() + 1);
        assert!(
            before
                .iter()
                .all(|(key, value)| after.get(key) == Some(value))
        );
        assert_eq!(more.texts(name).len(), params.texts(name).len() + 1);
    }
}
