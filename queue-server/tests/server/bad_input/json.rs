//! The form of the JSON (E3).

use super::request::{Request, Sheet};
use super::{Case, Expected, run};

const GOOD: Expected = Expected::Applied("pro active until");
const BAD: Expected = Expected::Refused(400, "event_malformed");

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("nothing", |s| s.signed(""), BAD),
    ("blanks", |s| s.signed(" \r\n\t"), BAD),
    ("text", |s| s.signed("hello"), BAD),
    ("a form", |s| s.signed("id=evt_1&type=customer.created"), BAD),
    ("XML", |s| s.signed("<event id=\"evt_1\"/>"), BAD),
    ("null", |s| s.signed("null"), BAD),
    ("a number", |s| s.signed("1"), BAD),
    ("a string", |s| s.signed("\"evt_1\""), BAD),
    ("an empty object", |s| s.signed("{}"), BAD),
    ("{}x", |s| s.signed("{}x"), BAD),
    ("an empty array", |s| s.signed("[]"), BAD),
    ("an event in an array", |s| s.framed("[", "]"), BAD),
    ("two events", |s| s.framed("", &s.good().to_string()), BAD),
    ("an event and more", |s| s.framed("", "x"), BAD),
    ("an event and a NUL", |s| s.framed("", "\0"), BAD),
    ("an event and an array's end", |s| s.framed("", "]"), BAD),
    ("an event without its end", |s| s.signed(&s.body()[..s.body().len() - 1]), BAD),
    ("an event between blanks", |s| s.framed("\n\t ", "\r\n"), GOOD),
    ("a byte order mark", |s| s.framed("\u{feff}", ""), BAD),
    ("UTF-16, little end first", |s| s.signed(utf16(s, u16::to_le_bytes)), BAD),
    ("UTF-16, big end first", |s| s.signed(utf16(s, u16::to_be_bytes)), BAD),
    ("invalid UTF-8 in a value", |s| s.bytes(b"\"\xff\""), BAD),
    ("invalid UTF-8 in a key", |s| s.bytes(b"{\"\xc3\x28\":1}"), BAD),
    ("UTF-8 that is cut off", |s| s.bytes(b"\"\xe2\x82\""), BAD),
    ("UTF-8 longer than needed", |s| s.bytes(b"\"\xc0\xaf\""), BAD),
    ("a surrogate in UTF-8", |s| s.bytes(b"\"\xed\xa0\x80\""), BAD),
    ("beyond Unicode in UTF-8", |s| s.bytes(b"\"\xf4\x90\x80\x80\""), BAD),
    ("a lone high surrogate", |s| s.with(r#""a\ud800b""#), GOOD),
    ("a lone low surrogate", |s| s.with(r#""\udfff""#), GOOD),
    ("surrogates the wrong way round", |s| s.with(r#""\udc00\ud800""#), GOOD),
    ("lone surrogates in a key", |s| s.with(r#"{"\ud800":1}"#), GOOD),
    ("a NUL, escaped", |s| s.with(r#""a\u0000b""#), GOOD),
    ("a lone surrogate in the status", |s| s.replaced("\"active\"", r#""active\ud800""#), Expected::Applied("pro none until")),
    ("a NUL in the status", |s| s.replaced("\"active\"", r#""active\u0000""#), Expected::Applied("pro none until")),
    ("a NUL in the type", |s| s.replaced("subscription.created", r"subscription.created\u0000"), Expected::Ignored),
    ("a lone surrogate in the type", |s| s.replaced("subscription.created", r"subscription.created\udead"), Expected::Ignored),
    ("a NUL in the id", |s| s.replaced("\"evt_", r#""evt_\u0000"#), BAD),
    ("a lone surrogate in the id", |s| s.replaced("\"evt_", r#""evt_\ud800"#), BAD),
    ("a pair of surrogates", |s| s.with(r#""\ud83d\ude00""#), GOOD),
    ("keys and values escaped all over", |s| s.replaced("\"type\"", r#""\u0074\u0079pe""#), GOOD),
    ("a raw NUL", |s| s.with("\"\0\""), BAD),
    ("a raw line feed in a string", |s| s.with("\"\n\""), BAD),
    ("a broken escape", |s| s.with(r#""\x41""#), BAD),
    ("half an escape", |s| s.with(r#""\u00""#), BAD),
    ("the id twice", |s| s.with(r#"1,"id":"evt_other""#), BAD),
    ("the id twice, once escaped", |s| s.with(r#"1,"\u0069d":"evt_other""#), BAD),
    ("the type twice", |s| s.with(r#"1,"type":"charge.refunded""#), BAD),
    ("the data twice", |s| s.with(r#"1,"data":{}"#), BAD),
    ("a key twice in the object", |s| s.replaced("\"status\":", "\"status\":\"unpaid\",\"status\":"), BAD),
    ("a key twice where nobody looks", |s| s.with(r#"[{"a":[{"k":1,"k":1}]}]"#), BAD),
    ("a key twice, both escaped", |s| s.with(r#"{"\u006b":1,"\u006B":1}"#), BAD),
    ("two lone surrogates as keys", |s| s.with(r#"{"\ud800":1,"\ud801":1}"#), BAD),
    ("an empty key twice", |s| s.with(r#"{"":1,"":1}"#), BAD),
    ("a key twice among thousands", |s| s.with(&keys(5000, "\"k77\":0")), BAD),
    ("thousands of keys", |s| s.with(&keys(5000, "\"k\":0")), GOOD),
    ("64 levels", |s| s.with(&nested("[", "]", 63)), GOOD),
    ("65 levels", |s| s.with(&nested("[", "]", 64)), BAD),
    ("65 levels of objects", |s| s.with(&nested("{\"a\":", "}", 64).replace(":}", ":1}")), BAD),
    ("100,000 levels", |s| s.with(&nested("[", "]", 100_000)), BAD),
    ("100,000 levels without end", |s| s.with(&nested("[", "", 100_000)), BAD),
    ("100,000 levels and no event", |s| s.signed(nested("[", "]", 100_000)), BAD),
    ("100,000 levels of objects", |s| s.signed(nested("{\"a\":", "}", 100_000)), BAD),
    ("a comma too many", |s| s.with("[1,]"), BAD),
    ("a comma too few", |s| s.with("[1 2]"), BAD),
    ("single quotes", |s| s.with("'a'"), BAD),
    ("a comment", |s| s.with("1/* a */"), BAD),
    ("a key without quotes", |s| s.with("{a:1}"), BAD),
    ("NaN", |s| s.with("NaN"), BAD),
    ("Infinity", |s| s.with("-Infinity"), BAD),
    ("True", |s| s.with("True"), BAD),
    ("undefined", |s| s.with("undefined"), BAD),
    ("a leading zero", |s| s.with("01"), BAD),
    ("a leading plus", |s| s.with("+1"), BAD),
    ("a leading point", |s| s.with(".5"), BAD),
    ("hexadecimal", |s| s.with("0x10"), BAD),
    ("a long integer", |s| s.with(&"9".repeat(300)), GOOD),
    ("a small number", |s| s.with("1e-999"), GOOD),
    // RFC 8259 lets a reader bound the range of numbers: Stripe's are nowhere near a double's.
    ("a number beyond a double's range", |s| s.with("1e999"), BAD),
];

#[tokio::test]
async fn a_body_that_is_not_one_json_object_is_refused_without_a_trace_and_odd_text_is_not_e3() {
    run(CASES).await;
}

fn nested(open: &str, close: &str, levels: usize) -> String {
    format!("{}{}", open.repeat(levels), close.repeat(levels))
}

fn keys(count: usize, last: &str) -> String {
    let keys: String = (0..count).map(|key| format!("\"k{key}\":0,")).collect();
    format!("{{{keys}{last}}}")
}

fn utf16<const N: usize>(sheet: &Sheet, bytes: fn(u16) -> [u8; N]) -> Vec<u8> {
    let body = format!("\u{feff}{}", sheet.good());
    body.encode_utf16().flat_map(bytes).collect()
}

impl Sheet {
    fn framed(&self, before: &str, after: &str) -> Request {
        self.signed(format!("{before}{}{after}", self.good()))
    }

    /// A good event with these bytes where nobody looks.
    fn bytes(&self, bytes: &[u8]) -> Request {
        let good = self.good().to_string();
        self.signed([b"{\"unread\":", bytes, b",", &good.as_bytes()[1..]].concat())
    }
}
