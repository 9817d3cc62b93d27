//! The pass over a document: every byte is looked at once, and only what is kept takes memory.
//!
//! The structure is read here, since a general parser tells neither that a key stands twice nor how deep it is, and a
//! visitor of `serde_json`'s that finds out took more than half as long again. What escapes mean, and numbers other than
//! plain integers, `serde_json` says. The tests of [`super::pick`] and `conformance/fuzz` hold all of it to what `serde_json` reads.

use std::borrow::Cow;

use super::{Glance, MAX_DEPTH, Node, Refusal, SCALAR, Shape};

/// Keys of an object up to this number are compared with those before that look alike; of more they are sorted.
const FEW_KEYS: usize = 64;
/// Integers of up to so many digits are 64 bits, whatever the digits.
const PLAIN_DIGITS: usize = 18;

/// The bytes that a text doesn't hold as they are: quote, backslash, controls.
const ENDS_PLAIN: [bool; 256] = {
    let mut ends = [false; 256];
    ends[b'"' as usize] = true;
    ends[b'\\' as usize] = true;
    let mut control = 0;
    while control < b' ' {
        ends[control as usize] = true;
        control += 1;
    }
    ends
};

/// Where to put a value, and what to keep of it; none: it's only checked.
type Keep<'a, 't> = Option<(&'static Shape, &'a mut Node<'t>)>;

pub(super) struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    /// Of the objects that the reader is in, from the outermost on.
    keys: Vec<Cow<'t, str>>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            keys: Vec::with_capacity(FEW_KEYS),
        }
    }

    /// The only document of the text.
    pub(super) fn document(&mut self, shape: &'static Shape) -> Result<Node<'t>, Refusal> {
        let mut node = Node::Null;
        self.value(Some((shape, &mut node)))?;
        match self.peek() {
            None => Ok(node),
            Some(_) => Err(Refusal::NotJson),
        }
    }

    /// The next byte that is no white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        let byte = loop {
            match bytes.get(at) {
                Some(b'\n') => {
                    at += 1;
                    // Most of the white space is indentation.
                    while bytes.get(at..at + 4) == Some(b"    ") {
                        at += 4;
                    }
                }
                Some(b' ' | b'\r' | b'\t') => at += 1,
                byte => break byte.copied(),
            }
        };
        self.at = at;
        byte
    }

    /// Whether this byte is next; then it's behind.
    #[inline]
    fn pass(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Goes on to the next member of an array or an object; false where it ends.
    #[inline]
    fn next_member(&mut self, end: u8) -> Result<bool, Refusal> {
        if self.pass(b',') {
            Ok(true)
        } else if self.pass(end) {
            Ok(false)
        } else {
            Err(Refusal::NotJson)
        }
    }

    fn value(&mut self, keep: Keep<'_, 't>) -> Result<(), Refusal> {
        match self.peek() {
            Some(b'"') => self.text_value(keep),
            Some(b'{') => self.object(keep),
            Some(b'[') => self.array(keep),
            Some(b't') => self.word("true", Node::Bool(true), keep),
            Some(b'f') => self.word("false", Node::Bool(false), keep),
            Some(b'n') => self.word("null", Node::Null, keep),
            Some(b'-' | b'0'..=b'9') => self.number(keep),
            _ => Err(Refusal::NotJson),
        }
    }

    fn enter(&mut self) -> Result<(), Refusal> {
        if self.depth >= MAX_DEPTH {
            return Err(Refusal::TooDeep);
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn array(&mut self, keep: Keep<'_, 't>) -> Result<(), Refusal> {
        self.enter()?;
        let (shape, place) = keep.unzip();
        let elements = shape.filter(|shape| !shape.fields.is_empty());
        let mut list = Vec::new();
        let mut more = !self.pass(b']');
        while more {
            match elements {
                Some(shape) => {
                    list.push(Node::Null);
                    self.value(list.last_mut().map(|node| (shape, node)))?;
                }
                None => self.value(None)?,
            }
            more = self.next_member(b']')?;
        }
        self.depth -= 1;
        if let Some(place) = place {
            *place = Node::List(list);
        }
        Ok(())
    }

    fn object(&mut self, keep: Keep<'_, 't>) -> Result<(), Refusal> {
        self.enter()?;
        let (shape, place) = keep.unzip();
        let shape = shape.unwrap_or(&SCALAR);
        let mut fields = Vec::new();
        let first_key = self.keys.len();
        let mut glances = Glance::default();
        let mut more = !self.pass(b'}');
        while more {
            let wanted = self.key(first_key, &mut glances, shape)?;
            if !self.pass(b':') {
                return Err(Refusal::NotJson);
            }
            match wanted {
                Some((name, inner)) => {
                    if fields.is_empty() {
                        fields.reserve(shape.fields.len());
                    }
                    fields.push((*name, Node::Null));
                    self.value(fields.last_mut().map(|(_, node)| (inner, node)))?;
                }
                None => self.value(None)?,
            }
            more = self.next_member(b'}')?;
        }
        let keys = &mut self.keys[first_key..];
        if keys.len() > FEW_KEYS {
            keys.sort_unstable();
            if keys.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err(Refusal::DuplicateKey);
            }
        }
        self.keys.truncate(first_key);
        self.depth -= 1;
        if let Some(place) = place {
            *place = Node::Map(fields);
        }
        Ok(())
    }

    /// Reads a key, which must be new to its object; the field of the shape that it names.
    #[inline]
    fn key(
        &mut self,
        first_key: usize,
        glances: &mut Glance,
        shape: &'static Shape,
    ) -> Result<Option<&'static (&'static str, Shape)>, Refusal> {
        if self.peek() != Some(b'"') {
            return Err(Refusal::NotJson);
        }
        let key = self.string()?;
        self.keys.push(key);
        let Some((key, before)) = self.keys[first_key..].split_last() else {
            return Ok(None);
        };
        let glance = Glance::at(key.as_bytes());
        if glances.has(glance) && before.len() < FEW_KEYS && before.contains(key) {
            return Err(Refusal::DuplicateKey);
        }
        glances.add(glance);
        if !shape.names.has(glance) {
            return Ok(None);
        }
        Ok(shape.fields.iter().find(|(name, _)| name == key))
    }

    #[inline]
    fn text_value(&mut self, keep: Keep<'_, 't>) -> Result<(), Refusal> {
        let text = self.string()?;
        if let Some((_, place)) = keep {
            *place = Node::Text(text);
        }
        Ok(())
    }

    /// What is meant by what stands between two quotes.
    #[inline(always)]
    fn string(&mut self) -> Result<Cow<'t, str>, Refusal> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut end = start;
        let mut escapes = false;
        loop {
            end += bytes[end..]
                .iter()
                .position(|byte| ENDS_PLAIN[usize::from(*byte)])
                .ok_or(Refusal::NotJson)?;
            match bytes[end] {
                b'"' => break,
                b'\\' if end + 1 < bytes.len() => {
                    escapes = true;
                    end += 2;
                }
                _ => return Err(Refusal::NotJson),
            }
        }
        self.at = end + 1;
        let raw = &self.text[start..end];
        if escapes {
            unescaped(raw).map(Cow::Owned)
        } else {
            Ok(Cow::Borrowed(raw))
        }
    }

    #[inline]
    fn word(&mut self, word: &str, meaning: Node<'t>, keep: Keep<'_, 't>) -> Result<(), Refusal> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(Refusal::NotJson);
        }
        self.at += word.len();
        if let Some((_, place)) = keep {
            *place = meaning;
        }
        Ok(())
    }

    fn number(&mut self, keep: Keep<'_, 't>) -> Result<(), Refusal> {
        let rest = &self.text.as_bytes()[self.at..];
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.iter().position(|byte| !is_part(byte));
        let number = &rest[..length.unwrap_or(rest.len())];
        self.at += number.len();
        let is_plain = number.len() <= PLAIN_DIGITS
            && number.iter().all(u8::is_ascii_digit)
            && (number[0] != b'0' || number.len() == 1);
        let node = if is_plain {
            let append = |value, digit: &u8| value * 10 + i64::from(digit - b'0');
            Node::Int(number.iter().fold(0, append))
        } else {
            other_number(number)?
        };
        if let Some((_, place)) = keep {
            *place = node;
        }
        Ok(())
    }
}

#[cold]
fn other_number(number: &[u8]) -> Result<Node<'static>, Refusal> {
    let number: serde_json::Number =
        serde_json::from_slice(number).map_err(|_| Refusal::NotJson)?;
    Ok(match (number.as_i64(), number.as_f64()) {
        (Some(integer), _) => Node::Int(integer),
        // Beyond every plausible time, quantity or count, and still a whole number.
        (None, _) if number.is_u64() => Node::Int(i64::MAX),
        (None, Some(real)) => Node::Real(real),
        (None, None) => return Err(Refusal::NotJson),
    })
}

#[cold]
fn unescaped(raw: &str) -> Result<String, Refusal> {
    let quoted = format!("\"{}\"", storable(raw));
    serde_json::from_str(&quoted).map_err(|_| Refusal::NotJson)
}

/// Escapes that no database column holds, lone surrogates and `\u0000`, become U+FFFD: such data
/// is odd but signed, and refusing it would make Stripe send it again for days.
fn storable(raw: &str) -> Cow<'_, str> {
    let mut mended: Option<Vec<u8>> = None;
    let bytes = raw.as_bytes();
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
        None => Cow::Borrowed(raw),
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
