//! One strict pass over JSON that keeps only the wanted fields (E2, E3).
//!
//! The pass sees every byte: a key that stands twice in any object (after unescaping) and nesting
//! deeper than [`MAX_DEPTH`] are refused even in fields that nobody reads, since another parser of
//! the same bytes could read them otherwise than we do. What is kept is a pruned tree of the
//! fields that a [`Shape`] names, a few dozen nodes whatever the size of the body; its texts are the body's own.

mod reader;

use std::borrow::Cow;

/// The deepest nesting of objects and arrays that is accepted.
pub(crate) const MAX_DEPTH: usize = 64;

/// The fields to keep of an object, each with what to keep of its value. Arrays are kept whole,
/// with the same shape for each of their elements.
pub(crate) struct Shape {
    fields: &'static [(&'static str, Shape)],
    names: Glance,
}

/// Keeps a scalar value.
pub(crate) const SCALAR: Shape = Shape::of(&[]);

impl Shape {
    pub(crate) const fn of(fields: &'static [(&'static str, Self)]) -> Self {
        let mut names = Glance(0);
        let mut rest = fields;
        while let [(name, _), after @ ..] = rest {
            names.add(Glance::at(name.as_bytes()));
            rest = after;
        }
        Self { fields, names }
    }
}

/// What keys look like at a glance: those that look different are different, without comparing them.
#[derive(Clone, Copy, Default)]
struct Glance(u128);

impl Glance {
    /// One of 128 bits, by the key's length and a few of its bytes.
    #[inline]
    const fn at(key: &[u8]) -> Self {
        let (first, middle, last) = match key {
            [] => (0, 0, 0),
            [first, ..] => (*first, key[key.len() / 2], key[key.len() - 1]),
        };
        let mixed = key.len() * 37 + first as usize * 7 + middle as usize * 11 + last as usize * 17;
        Self(1 << (mixed % 128))
    }

    #[inline]
    const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    #[inline]
    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A kept value.
#[derive(Clone, PartialEq)]
pub(crate) enum Node<'t> {
    Null,
    Bool(bool),
    Int(i64),
    /// A number that is no 64-bit integer; of what we read, only percentages may be one.
    Real(f64),
    Text(Cow<'t, str>),
    List(Vec<Self>),
    Map(Vec<(&'static str, Self)>),
}

/// Why bytes are not JSON that everyone reads alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotUtf8,
    NotJson,
    DuplicateKey,
    TooDeep,
}

impl Node<'_> {
    /// The value of a field: absent and null are the same to us.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        let Self::Map(fields) = self else { return None };
        fields
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, node)| node)
            .filter(|node| **node != Self::Null)
    }

    /// A copy with another object's fields laid over it: deep in objects, arrays whole, null = absent.
    pub(crate) fn overlaid_with(&self, over: &Self) -> Self {
        let (Self::Map(under), Self::Map(fields)) = (self, over) else {
            return over.clone();
        };
        let mut merged = under.clone();
        for (key, value) in fields {
            match merged.iter_mut().find(|(existing, _)| existing == key) {
                Some((_, existing)) => *existing = existing.overlaid_with(value),
                None => merged.push((key, value.clone())),
            }
        }
        Self::Map(merged)
    }
}

/// Reads one JSON document, strictly, and keeps what the shape names.
pub(crate) fn pick<'t>(bytes: &'t [u8], shape: &'static Shape) -> Result<Node<'t>, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::NotUtf8)?;
    reader::Reader::new(text).document(shape)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    static SHAPE: Shape = Shape::of(&[("a", SCALAR), ("list", Shape::of(&[("b", SCALAR)]))]);

    fn refusal(text: &str) -> Option<Refusal> {
        pick(text.as_bytes(), &SHAPE).err()
    }

    #[test]
    fn keys_that_stand_twice_are_refused_anywhere() {
        assert_eq!(
            refusal(r#"{"a":1,"x":{"y":[{"k":1,"k":2}]}}"#),
            Some(Refusal::DuplicateKey)
        );
        assert_eq!(
            refusal(r#"{"x":1,"\u0078":2}"#),
            Some(Refusal::DuplicateKey)
        );
        for count in [2, 30, 63, 64, 65, 66, 200] {
            let keys: String = (0..count).map(|n| format!("\"k{n}\":0,")).collect();
            assert_eq!(refusal(&format!("{{{keys}\"z\":0}}")), None);
            for twice in [0, 1, count / 2, count - 1] {
                let text = format!("{{{keys}\"k{twice}\":0}}");
                assert_eq!(
                    refusal(&text),
                    Some(Refusal::DuplicateKey),
                    "{twice} of {count}"
                );
            }
        }
        // Which look alike at a glance.
        assert!(Glance::at(b"abcde").has(Glance::at(b"axcye")));
        assert_eq!(refusal(r#"{"abcde":0,"axcye":0}"#), None);
    }

    #[test]
    fn nesting_ends_at_64() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(refusal(&nested(MAX_DEPTH)), None);
        assert_eq!(refusal(&nested(MAX_DEPTH + 1)), Some(Refusal::TooDeep));
        assert_eq!(refusal(&nested(100_000)), Some(Refusal::TooDeep));
    }

    #[test]
    fn what_is_not_one_json_document_is_refused() {
        for text in [
            "",
            "{}x",
            "{} {}",
            "{",
            "\u{feff}{}",
            "nul",
            "{\"a\":\"\u{0}\"}",
            r#"{"a":"\q"}"#,
        ] {
            assert_eq!(refusal(text), Some(Refusal::NotJson), "{text:?}");
        }
        assert_eq!(
            pick(b"{\"a\":\"\xff\"}", &SHAPE).err(),
            Some(Refusal::NotUtf8)
        );
    }

    /// What `serde_json` reads in the same text, kept by the same shape.
    fn peer(text: &str) -> Option<Node<'static>> {
        fn kept(value: &Value, shape: &Shape) -> Node<'static> {
            match value {
                Value::Null => Node::Null,
                Value::Bool(value) => Node::Bool(*value),
                Value::Number(number) => match number.as_i64() {
                    Some(integer) => Node::Int(integer),
                    None if number.is_u64() => Node::Int(i64::MAX),
                    None => Node::Real(number.as_f64().unwrap_or(f64::NAN)),
                },
                Value::String(text) => Node::Text(Cow::Owned(text.clone())),
                Value::Array(_) if shape.fields.is_empty() => Node::List(Vec::new()),
                Value::Array(list) => {
                    Node::List(list.iter().map(|value| kept(value, shape)).collect())
                }
                Value::Object(object) => Node::Map(
                    object
                        .iter()
                        .filter_map(|(key, value)| {
                            let (name, shape) =
                                shape.fields.iter().find(|(name, _)| name == key)?;
                            Some((*name, kept(value, shape)))
                        })
                        .collect(),
                ),
            }
        }
        let value = serde_json::from_str::<Value>(text).ok()?;
        Some(kept(&value, &SHAPE))
    }

    #[test]
    fn numbers_are_what_they_are_to_serde_json() {
        for number in [
            "0",
            "-0",
            "00",
            "01",
            "-01",
            "-",
            "+1",
            "1.",
            ".5",
            "1.50",
            "-1.5e3",
            "1e",
            "1e+",
            "1E-2",
            "1e5",
            "1e400",
            "1e-400",
            "1-2",
            "0x1",
            "1_0",
            "12-",
            "999999999999999999",
            "-999999999999999999",
            "1000000000000000000",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "-9223372036854775809",
            "18446744073709551615",
            "18446744073709551616",
            "1234567890123456789012345678901234567890",
        ] {
            let text = format!("{{\"a\":{number}}}");
            assert!(
                pick(text.as_bytes(), &SHAPE).ok() == peer(&text),
                "{number}"
            );
        }
    }

    const TOKENS: [&str; 24] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"\\u0061\"",
        "\"\\n\"",
        "\\",
        "\\\"",
        "1",
        "-",
        ".",
        "e",
        "true",
        "nul",
        "null",
        " ",
        "\n     ",
        "\u{1}",
        "\u{a0}",
        "é",
    ];

    /// A document in any of the ways to write it.
    fn document() -> impl Strategy<Value = String> {
        let space = || proptest::sample::select(vec!["", " ", "\n", "\n      ", "\r\n\t"]);
        let key = || proptest::sample::select(vec!["a", "list", "b", "\\u0061", "c\\\"", "é"]);
        let scalar = prop_oneof![
            proptest::sample::select(vec![
                "null",
                "true",
                "false",
                "\"\"",
                "\"x\\\\\"",
                "\"é\\u00e9\""
            ])
            .prop_map(str::to_owned),
            any::<i64>().prop_map(|number| number.to_string()),
            (-1e9..1e9).prop_map(|number: f64| format!("{number:e}")),
        ];
        scalar.prop_recursive(4, 24, 4, move |value| {
            let element = (space(), value.clone(), space());
            let member = (space(), key(), space(), value, space());
            prop_oneof![
                proptest::collection::vec(element, 0..4).prop_map(|elements| {
                    let elements = elements
                        .iter()
                        .map(|(a, value, b)| format!("{a}{value}{b}"));
                    format!("[{}]", elements.collect::<Vec<_>>().join(","))
                }),
                proptest::collection::vec(member, 0..4).prop_map(|members| {
                    let members = members
                        .iter()
                        .map(|(a, key, b, value, c)| format!("{a}\"{key}\"{b}:{value}{c}"));
                    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn whole_or_broken_a_document_is_what_it_is_to_serde_json(
            document in document(),
            breaks in proptest::collection::vec(
                (any::<prop::sample::Index>(), 0..2_usize, proptest::sample::select(&TOKENS)),
                0..3,
            ),
        ) {
            let mut text: Vec<char> = document.chars().collect();
            for (place, removed, token) in breaks {
                let at = place.index(text.len() + 1);
                let end = (at + removed).min(text.len());
                text.splice(at..end, token.chars());
            }
            let text: String = text.into_iter().collect();
            match pick(text.as_bytes(), &SHAPE) {
                Err(Refusal::DuplicateKey) => {}
                ours => prop_assert!(ours.ok() == peer(&text), "{text:?}"),
            }
        }
    }

    #[test]
    fn unstorable_escapes_become_replacement_characters() {
        let text = |json: &str| match pick(json.as_bytes(), &SHAPE)
            .ok()
            .and_then(|n| n.field("a").cloned())
        {
            Some(Node::Text(text)) => text.into_owned(),
            _ => "no text".to_owned(),
        };
        assert_eq!(text(r#"{"a":"x\ud800y"}"#), "x\u{fffd}y");
        assert_eq!(
            text(r#"{"a":"\udc00\ud800\ud800"}"#),
            "\u{fffd}\u{fffd}\u{fffd}"
        );
        assert_eq!(text(r#"{"a":"\u0000"}"#), "\u{fffd}");
        assert_eq!(text(r#"{"a":"\ud83d\ude00 \u00e9"}"#), "\u{1f600} \u{e9}");
        assert_eq!(text(r#"{"a":"\\ud800 \\\\"}"#), "\\ud800 \\\\");
    }

    #[test]
    fn overlaying_is_deep_in_objects_and_takes_arrays_whole() {
        let tree = |json: &'static str| pick(json.as_bytes(), &SHAPE).ok();
        let (under, over) = (
            tree(r#"{"a":1,"list":[{"b":1},{"b":2}]}"#),
            tree(r#"{"a":null,"list":[{"b":3}]}"#),
        );
        let merged = under
            .zip(over)
            .map(|(under, over)| under.overlaid_with(&over));
        assert!(
            merged
                .as_ref()
                .is_some_and(|node| node.field("a").is_none())
        );
        assert!(merged == tree(r#"{"a":null,"list":[{"b":3}]}"#));
    }
}
