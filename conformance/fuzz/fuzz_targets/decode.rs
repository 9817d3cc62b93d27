//! Decoding of arbitrary bytes (E2, E3): what comes of them follows from what serde_json reads in them.
//!
//! 1. What decodes is UTF-8 and one JSON document; id, type and `created` are the document's.
//! 2. Every refusal has the reason that it names; nothing else is refused.
//! 3. Decoding is of the meaning: the same document written again is the same event with the same digest.
//! 4. No personal datum can be told from the event's debug print or its digest (K2).
//!
//! Input: the body.

#![no_main]

use billing_core::event::{DecodeError, Event};
use billing_core::id::EventId;
use billing_core::signature::{self, Delivery, SigningKeys};
use billing_core::time::StripeTime;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::Value;

/// The deepest nesting that is accepted.
const MAX_DEPTH: usize = 64;

fuzz_target!(|body: &[u8]| {
    let decoded = decode(body);
    let Ok(text) = str::from_utf8(body) else {
        assert_eq!(decoded, Err(DecodeError::NotUtf8));
        return;
    };
    let Ok(document) = serde_json::from_str::<Value>(text) else {
        // serde_json takes no lone surrogates, and we do: they are all that may be wrong.
        if decoded.is_ok() {
            assert!(serde_json::from_str::<IgnoredAny>(text).is_ok() && has_escape(text, "\\ud"));
        }
        return;
    };
    match &decoded {
        Ok(event) => {
            follows_from(event, &document);
            nothing_personal_shows(event, document);
        }
        Err(error) => assert!(is_why(*error, text, &document), "{error:?}"),
    }
});

/// Takes a body through the front door.
fn decode(body: &[u8]) -> Result<Event, DecodeError> {
    let keys = SigningKeys::parse("whsec_fuzz").unwrap();
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let header = signature::sign(body, &keys, now);
    let delivery = Delivery::new(body.to_vec(), [header]);
    Event::decode(&signature::verify(delivery, &keys, now).unwrap())
}

fn follows_from(event: &Event, document: &Value) {
    assert_eq!(document["id"], event.id.as_str());
    let event_type = document["type"].as_str().unwrap();
    assert_eq!(mended(event_type), event.event_type.as_str());
    assert_eq!(document["livemode"].as_bool(), event.livemode);
    if document["object"] == "v2.core.event" {
        assert_eq!(event.created, None);
    } else {
        let created = &document["created"];
        assert!(created.is_i64() || created.is_u64());
        // None beyond the year 9999.
        let taken = event.created.map(StripeTime::seconds);
        assert!(taken.is_none() || taken == created.as_i64());
    }
    let again = decode(document.to_string().as_bytes()).unwrap();
    assert_eq!(*event, again);
    assert_eq!(event.facts_digest(), again.facts_digest());
}

/// Replaces every datum of the person by another: nothing that is shown may change.
fn nothing_personal_shows(event: &Event, mut document: Value) {
    for object in ["/data/object", "/data/previous_attributes"] {
        let Some(Value::Object(object)) = document.pointer_mut(object) else {
            continue;
        };
        let address = object.get("address").and_then(Value::as_object).cloned();
        if let Some(mut address) = address {
            let names = ["line1", "line2", "city", "state", "postal_code", "country"];
            names
                .into_iter()
                .for_each(|name| change_text(address.get_mut(name)));
            object.insert("address".to_owned(), Value::Object(address));
        }
        ["email", "name"]
            .into_iter()
            .for_each(|name| change_text(object.get_mut(name)));
    }
    let other = decode(document.to_string().as_bytes()).unwrap();
    assert_eq!(format!("{event:?}"), format!("{other:?}"));
    assert_eq!(event.facts_digest(), other.facts_digest());
}

fn change_text(value: Option<&mut Value>) {
    if let Some(Value::String(text)) = value {
        text.push_str(" and more");
    }
}

/// Whether a document that serde_json reads is refused for the reason given.
fn is_why(error: DecodeError, text: &str, document: &Value) -> bool {
    match error {
        DecodeError::NotUtf8 | DecodeError::NotJson => false,
        DecodeError::TooDeep => depth(text) > MAX_DEPTH,
        // serde_json keeps the last of several, so that a colon is lost. Two keys may also become one when what no
        // database holds is replaced in them.
        DecodeError::DuplicateKey => {
            colons(text) > colons(&document.to_string()) || has_escape(text, "\\u0000")
        }
        DecodeError::NotAnEvent => !is_event(document),
    }
}

fn is_event(document: &Value) -> bool {
    let created = &document["created"];
    document["id"]
        .as_str()
        .is_some_and(|id| EventId::parse(id).is_ok())
        && document["type"]
            .as_str()
            .is_some_and(|name| (1..=255).contains(&mended(name).len()))
        && (created.is_i64() || created.is_u64() || document["object"] == "v2.core.event")
}

/// Text as it is taken: no database holds a zero character.
fn mended(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn has_escape(text: &str, escape: &str) -> bool {
    text.to_ascii_lowercase().contains(escape)
}

fn depth(text: &str) -> usize {
    let mut deepest = 0;
    let mut depth = 0_usize;
    for byte in structure(text) {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The number of keys in a document.
fn colons(text: &str) -> usize {
    structure(text).filter(|byte| *byte == b':').count()
}

/// The bytes of a JSON document that are in none of its strings.
fn structure(text: &str) -> impl Iterator<Item = u8> {
    let (mut inside, mut escaped) = (false, false);
    text.bytes().filter(move |byte| {
        let was_inside = inside;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ => {}
        }
        !was_inside && !inside
    })
}
