//! One strict pass over JSON that keeps only the wanted fields (E2, E3).
//!
//! The pass sees every byte: a key that stands twice in any object (after unescaping) and nesting
//! deeper than [`MAX_DEPTH`] are refused even in fields that nobody reads, since another parser of
//! the same bytes could read them otherwise than we do. What is kept is a pruned tree of the
//! fields that a [`Shape`] names, a few dozen nodes whatever the size of the body.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

/// The deepest nesting of objects and arrays that is accepted.
pub(crate) const MAX_DEPTH: usize = 64;

/// The fields to keep of an object, each with what to keep of its value. Arrays are kept whole,
/// with the same shape for each of their elements.
pub(crate) struct Shape(pub(crate) &'static [(&'static str, Shape)]);

/// Keeps a scalar value.
pub(crate) const SCALAR: Shape = Shape(&[]);

/// A kept value.
#[derive(Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    /// A number that is no 64-bit integer; of what we read, only percentages may be one.
    Real(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(&'static str, Node)>),
}

/// Why bytes are not JSON that everyone reads alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotUtf8,
    NotJson,
    DuplicateKey,
    TooDeep,
}

impl Node {
    /// The value of a field: absent and null are the same to us.
    pub(crate) fn field(&self, name: &str) -> Option<&Node> {
        let Node::Map(fields) = self else { return None };
        fields
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, node)| node)
            .filter(|node| **node != Node::Null)
    }

    /// A copy with another object's fields laid over it: deep in objects, arrays whole, null = absent.
    pub(crate) fn overlaid_with(&self, over: &Node) -> Node {
        let (Node::Map(under), Node::Map(fields)) = (self, over) else {
            return over.clone();
        };
        let mut merged = under.clone();
        for (key, value) in fields {
            match merged.iter_mut().find(|(existing, _)| existing == key) {
                Some((_, existing)) => *existing = existing.overlaid_with(value),
                None => merged.push((key, value.clone())),
            }
        }
        Node::Map(merged)
    }
}

/// Reads one JSON document, strictly, and keeps what the shape names.
pub(crate) fn pick(bytes: &[u8], shape: &'static Shape) -> Result<Node, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::NotUtf8)?;
    let text = without_unstorable_escapes(text);
    let refusal = Cell::new(Refusal::NotJson);
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let picker = Picker {
        shape: Some(shape),
        depth: 0,
        refusal: &refusal,
    };
    let node = picker
        .deserialize(&mut deserializer)
        .map_err(|_| refusal.get())?;
    deserializer.end().map_err(|_| Refusal::NotJson)?;
    Ok(node)
}

/// Escapes that no database column holds, lone surrogates and `\u0000`, become U+FFFD: such data
/// is odd but signed, and refusing it would make Stripe send it again for days.
fn without_unstorable_escapes(text: &str) -> Cow<'_, str> {
    let mut mended: Option<Vec<u8>> = None;
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(offset) = memchr::memchr(b'\\', &bytes[at..]) {
        at += offset;
        let unit = code_unit(bytes, at);
        let step = match unit {
            None => 2,
            Some(0xD800..=0xDBFF)
                if code_unit(bytes, at + 6).is_some_and(|low| (0xDC00..=0xDFFF).contains(&low)) =>
            {
                12
            }
            Some(0 | 0xD800..=0xDFFF) => {
                let mended = mended.get_or_insert_with(|| bytes.to_vec());
                mended[at + 2..at + 6].copy_from_slice(b"fffd");
                6
            }
            Some(_) => 6,
        };
        at = (at + step).min(bytes.len());
    }
    match mended {
        // Only ASCII was replaced by ASCII, so this can't fail.
        Some(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        None => Cow::Borrowed(text),
    }
}

/// The code unit of the `\uXXXX` that begins at this place, if one does.
fn code_unit(bytes: &[u8], at: usize) -> Option<u32> {
    let escape = bytes.get(at..at + 6)?;
    let digits = escape.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Visits one value; with no shape, only to check it.
struct Picker<'a> {
    shape: Option<&'static Shape>,
    depth: usize,
    refusal: &'a Cell<Refusal>,
}

impl Picker<'_> {
    fn refuse<E: de::Error>(&self, refusal: Refusal) -> E {
        self.refusal.set(refusal);
        E::custom("refused")
    }

    fn inside(&self, shape: Option<&'static Shape>) -> Picker<'_> {
        Picker {
            shape,
            depth: self.depth + 1,
            refusal: self.refusal,
        }
    }

    fn check_depth<E: de::Error>(&self) -> Result<(), E> {
        if self.depth >= MAX_DEPTH {
            Err(self.refuse(Refusal::TooDeep))
        } else {
            Ok(())
        }
    }
}

impl<'de> DeserializeSeed<'de> for Picker<'_> {
    type Value = Node;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Picker<'_> {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        // Beyond every plausible time, quantity or count, and still a whole number.
        Ok(Node::Int(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Real(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(if self.shape.is_some() {
            Node::Text(value.to_owned())
        } else {
            Node::Null
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Node, A::Error> {
        self.check_depth()?;
        let mut list = Vec::new();
        while let Some(node) = elements.next_element_seed(self.inside(self.shape))? {
            if self.shape.is_some_and(|shape| !shape.0.is_empty()) {
                list.push(node);
            }
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        self.check_depth()?;
        let mut keys = Keys::default();
        let mut fields = Vec::new();
        while let Some(key) = entries.next_key_seed(Key)? {
            let wanted = self
                .shape
                .and_then(|shape| shape.0.iter().find(|(name, _)| *name == key));
            if !keys.insert(key) {
                return Err(self.refuse(Refusal::DuplicateKey));
            }
            let node = entries.next_value_seed(self.inside(wanted.map(|(_, shape)| shape)))?;
            if let Some((name, _)) = wanted {
                fields.push((*name, node));
            }
        }
        Ok(Node::Map(fields))
    }
}

/// A key of an object, borrowed where it holds no escape.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: de::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// The keys seen in one object. Most are told apart at a glance; others are compared one by one
/// while few, and hashed when many, so that neither the usual object nor a hostile one is slow.
#[derive(Default)]
struct Keys<'de> {
    glances: u128,
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Keys<'de> {
    const FEW: usize = 64;

    /// Whether the key is new.
    fn insert(&mut self, key: Cow<'de, str>) -> bool {
        let glance = glance_at(key.as_bytes());
        let looks_new = self.glances & glance == 0;
        self.glances |= glance;
        if !looks_new && self.few.contains(&key) {
            return false;
        }
        if self.few.len() < Self::FEW {
            if self.few.capacity() == 0 {
                self.few.reserve(16);
            }
            self.few.push(key);
            return true;
        }
        self.many.insert(key)
    }
}

/// One of 128 bits, by the key's length and a few of its bytes.
fn glance_at(key: &[u8]) -> u128 {
    let byte = |at: usize| key.get(at).copied().map_or(0, usize::from);
    let mixed = key.len() * 37
        + byte(0) * 7
        + byte(key.len() / 2) * 11
        + byte(key.len().wrapping_sub(1)) * 17;
    1 << (mixed % 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    static SHAPE: Shape = Shape(&[("a", SCALAR), ("list", Shape(&[("b", SCALAR)]))]);

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
        assert_eq!(glance_at(b"abcde"), glance_at(b"axcye"));
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

    #[test]
    fn unstorable_escapes_become_replacement_characters() {
        let text = |json: &str| match pick(json.as_bytes(), &SHAPE)
            .ok()
            .and_then(|n| n.field("a").cloned())
        {
            Some(Node::Text(text)) => text,
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
        let tree = |json: &str| pick(json.as_bytes(), &SHAPE).ok();
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
