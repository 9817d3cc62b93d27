//! Decoding: what is no event, and what is one in odd dress (E3).

mod shapes;

use billing_core::event::{DecodeError, Facts};
use serde_json::{Value, json};

use crate::arbitrary::BASE;
use crate::bodies::{self, Shape, decode};

const UPDATED: &str = "customer.subscription.updated";

/// A subscription in a usual state.
fn subscription(shape: Shape) -> Value {
    let state = json!({ "customer": "cus_1", "status": "active", "prices": ["price_pro"],
        "end": BASE, "invoice": "in_1" });
    shape.subscription("sub_1", &state)
}

fn updated(object: Value) -> Value {
    bodies::event("evt_1", UPDATED, BASE, object)
}

/// A well-formed event with some text where a field nobody reads stands.
fn with(text: &str) -> String {
    let body = updated(subscription(Shape::Basil)).to_string();
    body.replacen(
        "\"pending_webhooks\":1",
        &format!("\"pending_webhooks\":{text}"),
        1,
    )
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn what_is_no_event_is_refused_and_named_e3() {
    use DecodeError::{DuplicateKey, NotAnEvent, NotJson, NotUtf8, TooDeep};
    let event = updated(subscription(Shape::Basil));
    let but = |name: &str, value: Value| {
        let mut event = event.clone();
        event[name] = value;
        event.to_string()
    };
    let without = |name: &str| {
        let mut event = event.clone();
        event.as_object_mut().unwrap().remove(name);
        event.to_string()
    };
    let twice = |pair: &str| with(&format!("1,{pair}"));
    let long = |length: usize| json!(format!("evt_{}", "a".repeat(length - 4)));
    for (name, body, error) in [
        ("nothing", String::new(), NotJson),
        ("blanks", "  \n".to_owned(), NotJson),
        ("text", "hello".to_owned(), NotJson),
        ("an array", "[]".to_owned(), NotAnEvent),
        ("a string", "\"evt_1\"".to_owned(), NotAnEvent),
        ("null", "null".to_owned(), NotAnEvent),
        ("an empty object", "{}".to_owned(), NotAnEvent),
        ("an event in an array", format!("[{event}]"), NotAnEvent),
        ("two events", format!("{event}{event}"), NotJson),
        ("an event and more", format!("{event}x"), NotJson),
        (
            "an event cut off",
            event.to_string()[..100].to_owned(),
            NotJson,
        ),
        ("a byte order mark", format!("\u{feff}{event}"), NotJson),
        ("a comma too many", with("1,"), NotJson),
        ("single quotes", with("'1'"), NotJson),
        ("a comment", with("1/**/"), NotJson),
        ("NaN", with("NaN"), NotJson),
        ("a leading zero", with("01"), NotJson),
        ("a raw control character", with("\"\u{1}\""), NotJson),
        ("a broken escape", with("\"\\x41\""), NotJson),
        ("half an escape", with("\"\\u00\""), NotJson),
        ("an unquoted key", with("1,k:1"), NotJson),
        ("a key twice", twice("\"id\":\"evt_2\""), DuplicateKey),
        (
            "a key twice that nobody reads",
            twice("\"x\":1,\"x\":1"),
            DuplicateKey,
        ),
        (
            "a key twice, once escaped",
            twice("\"\\u0069d\":\"evt_2\""),
            DuplicateKey,
        ),
        (
            "a key twice, deep down",
            with("{\"a\":[{\"b\":1,\"b\":2}]}"),
            DuplicateKey,
        ),
        ("an empty key twice", with("{\"\":1,\"\":2}"), DuplicateKey),
        // The event is the first level.
        ("65 levels", with(&nested(64)), TooDeep),
        ("many levels", with(&nested(10_000)), TooDeep),
        (
            "many levels that never close",
            with(&"[".repeat(10_000)),
            TooDeep,
        ),
        (
            "65 levels of objects",
            with(&format!("{}1{}", "{\"a\":".repeat(64), "}".repeat(64))),
            TooDeep,
        ),
        ("no id", without("id"), NotAnEvent),
        ("an id that is null", but("id", Value::Null), NotAnEvent),
        ("an id that is a number", but("id", json!(1)), NotAnEvent),
        ("an empty id", but("id", json!("")), NotAnEvent),
        (
            "an id of another kind",
            but("id", json!("cus_1")),
            NotAnEvent,
        ),
        (
            "an id that is only a prefix",
            but("id", json!("evt_")),
            NotAnEvent,
        ),
        ("an id with a blank", but("id", json!("evt_1 ")), NotAnEvent),
        (
            "an id with a line feed",
            but("id", json!("evt_1\n")),
            NotAnEvent,
        ),
        (
            "an id with a quote",
            but("id", json!("evt_1'--")),
            NotAnEvent,
        ),
        (
            "an id beyond ASCII",
            but("id", json!("evt_\u{e9}")),
            NotAnEvent,
        ),
        (
            "an id with a zero byte",
            but("id", json!("evt_1\u{0}")),
            NotAnEvent,
        ),
        ("an id of 256 bytes", but("id", long(256)), NotAnEvent),
        ("no type", without("type"), NotAnEvent),
        ("a type that is a number", but("type", json!(1)), NotAnEvent),
        ("an empty type", but("type", json!("")), NotAnEvent),
        (
            "a type of 256 bytes",
            but("type", json!("a".repeat(256))),
            NotAnEvent,
        ),
        ("no created", without("created"), NotAnEvent),
        (
            "a created that is null",
            but("created", Value::Null),
            NotAnEvent,
        ),
        (
            "a created that is text",
            but("created", json!("1800000000")),
            NotAnEvent,
        ),
        (
            "a created with a fraction",
            but("created", json!(1_800_000_000.5)),
            NotAnEvent,
        ),
        (
            "a created with an exponent",
            event
                .to_string()
                .replace("1800000000,\"livemode", "18e8,\"livemode"),
            NotAnEvent,
        ),
        (
            "a created that is true",
            but("created", json!(true)),
            NotAnEvent,
        ),
        (
            "a thin event without an id",
            json!({ "object": "v2.core.event", "type": "x" }).to_string(),
            NotAnEvent,
        ),
    ] {
        assert_eq!(decode(&body).err(), Some(error), "{name}: {body:.300}");
    }
    let mut latin_1 = with("\"?\"").into_bytes();
    let at = latin_1.iter().position(|byte| *byte == b'?').unwrap();
    latin_1[at] = 0xe9;
    assert_eq!(decode(&latin_1).err(), Some(NotUtf8));
    // UTF-8 is looked at first, also in what is no JSON either.
    assert_eq!(decode(b"{\xff").err(), Some(NotUtf8));
}

#[test]
fn what_is_odd_in_fields_that_nobody_reads_is_taken_e2_e3() {
    let usual = decode(with("1")).unwrap();
    for (name, text) in [
        ("64 levels", nested(63)),
        ("a lone high surrogate", r#""\ud800""#.to_owned()),
        ("a lone low surrogate", r#""\udc00 and more""#.to_owned()),
        (
            "surrogates the wrong way round",
            r#""\udc00\ud800""#.to_owned(),
        ),
        ("an escaped zero byte", r#""a\u0000b""#.to_owned()),
        ("a lone surrogate as a key", r#"{"\ud800":1}"#.to_owned()),
        (
            "a large number",
            "123456789012345678901234567890".to_owned(),
        ),
        ("a small number", "1e-400".to_owned()),
        (
            "a key twice in two objects",
            r#"[{"a":1},{"a":1}]"#.to_owned(),
        ),
        ("a key inside itself", r#"{"a":{"a":{"a":1}}}"#.to_owned()),
        ("keys that differ in case", r#"{"a":1,"A":1}"#.to_owned()),
        (
            "many keys",
            format!(
                "{{{}\"z\":1}}",
                (0..500).map(|n| format!("\"k{n}\":0,")).collect::<String>()
            ),
        ),
        ("a slash escaped", r#""\/""#.to_owned()),
        ("an emoji", r#""\ud83d\ude00 😀""#.to_owned()),
    ] {
        assert_eq!(decode(with(&text)).as_ref(), Ok(&usual), "{name}");
    }
}

#[test]
fn the_longest_id_and_type_are_taken_e3() {
    let mut body = updated(subscription(Shape::Basil));
    body["id"] = json!(format!("evt_{}", "a".repeat(251)));
    body["type"] = json!("a".repeat(255));
    let event = decode(body.to_string()).unwrap();
    assert_eq!(
        (event.id.as_str().len(), event.facts),
        (255, Facts::Nothing)
    );
}

#[test]
fn text_that_no_database_holds_is_stored_as_replacement_characters_e3() {
    let body = r#"{"object":"event","id":"evt_1","type":"customer.updated","created":1800000000,"data":{"object":
        {"object":"customer","id":"cus_1","name":"A\ud800B\u0000C","email":"\ud83d\ude00","metadata":{}}}}"#;
    let Facts::Customer(facts) = decode(body).unwrap().facts else {
        panic!("not a customer");
    };
    assert_eq!(facts.personal.name.unwrap().expose(), "A\u{fffd}B\u{fffd}C");
    assert_eq!(facts.personal.email.unwrap().expose(), "\u{1f600}");
}
