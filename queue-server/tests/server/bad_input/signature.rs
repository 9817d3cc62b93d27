//! The signature header (S1, S2, S4).

use serde_json::{Map, Value};

use super::request::{Request, Sheet, mac};
use super::{Case, Expected, run};
use crate::support::SECRET;

const BAD: Expected = Expected::Refused(400, "signature_invalid");
const GOOD: Expected = Expected::Applied("pro active until");

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("none", |_| Request::new(&[("content-length", b"2")], b"{}"), BAD),
    ("an empty one", |s| s.sent("", &s.body()), BAD),
    ("blanks", |s| s.sent("   ", &s.body()), BAD),
    ("commas", |s| s.sent(",,,,", &s.body()), BAD),
    ("garbled", |s| s.sent("t:1;v1:00", &s.body()), BAD),
    ("garbled bytes", |s| s.sent(b"\x80\xff\xfe", &s.body()), BAD),
    ("only the time", |s| s.sent(format!("t={}", s.time()), &s.body()), BAD),
    ("only the signature", |s| s.sent(format!("v1={}", mac(SECRET, &s.time(), &s.body())), &s.body()), BAD),
    ("doubled", |s| s.twice(|good| good.clone()), BAD),
    ("doubled, the other one garbled", |s| s.twice(|_| "t=1,v1=00".to_owned()), BAD),
    ("doubled, the other one empty", |s| s.twice(|_| String::new()), BAD),
    ("a good one in 64 KiB", |s| s.resigned(|mac| format!("v1={mac},x={}", "a".repeat(65_536))), BAD),
    ("a good one in more than 4 KiB", |s| s.resigned(|mac| format!("v1={mac},x={}", "a".repeat(4096))), BAD),
    ("two times", |s| s.resigned(|mac| format!("v1={mac},t=1")), BAD),
    ("the same time twice", |s| s.sent(format!("t={},{}", s.time(), s.header(&s.body())), &s.body()), BAD),
    ("a time 301 s ago", |s| s.at(&(s.seconds() - 301).to_string()), BAD),
    ("a time 301 s ahead", |s| s.at(&(s.seconds() + 301).to_string()), BAD),
    ("a time 300 s ago", |s| s.at(&(s.seconds() - 300).to_string()), GOOD),
    ("a time 300 s ahead", |s| s.at(&(s.seconds() + 300).to_string()), GOOD),
    ("no digits", |s| s.at(""), BAD),
    ("zero", |s| s.at("0"), BAD),
    ("a negative time", |s| s.at(&format!("-{}", s.time())), BAD),
    ("+", |s| s.at(&format!("+{}", s.time())), BAD),
    ("+1", |s| s.at("+1"), BAD),
    ("01", |s| s.at("01"), BAD),
    ("a leading zero", |s| s.at(&format!("0{}", s.time())), BAD),
    ("a space before", |s| s.at(&format!(" {}", s.time())), BAD),
    ("a space after", |s| s.at(&format!("{} ", s.time())), BAD),
    ("a tab after", |s| s.at(&format!("{}\t", s.time())), BAD),
    ("a fraction", |s| s.at(&format!("{}.0", s.time())), BAD),
    ("an exponent", |s| s.at("1e9"), BAD),
    ("hexadecimal", |s| s.at(&format!("0x{:x}", s.seconds())), BAD),
    ("milliseconds", |s| s.at(&format!("{}000", s.time())), BAD),
    ("Arabic digits", |s| s.at(&arabic(&s.time())), BAD),
    ("full-width digits", |s| s.at(&s.time().replace('1', "\u{ff11}")), BAD),
    ("more than 64 bits", |s| s.at("99999999999999999999999999"), BAD),
    ("now, and 2^64", |s| s.at(&(i128::from(s.seconds()) + (1 << 64)).to_string()), BAD),
    ("the most of 64 bits", |s| s.at("9223372036854775807"), BAD),
    ("v0 only", |s| s.resigned(|mac| format!("v0={mac}")), BAD),
    ("v2 only", |s| s.resigned(|mac| format!("v2={mac}")), BAD),
    ("V1", |s| s.resigned(|mac| format!("V1={mac}")), BAD),
    ("v1 after a space", |s| s.resigned(|mac| format!(" v1={mac}")), BAD),
    ("no signature in v1", |s| s.resigned(|_| "v1=".to_owned()), BAD),
    ("upper case", |s| s.resigned(|mac| format!("v1={}", mac.to_uppercase())), BAD),
    ("one digit in upper case", |s| s.resigned(|mac| format!("v1={}", one_upper(mac))), BAD),
    ("a byte short", |s| s.resigned(|mac| format!("v1={}", &mac[..62])), BAD),
    ("half a byte short", |s| s.resigned(|mac| format!("v1={}", &mac[..63])), BAD),
    ("a byte long", |s| s.resigned(|mac| format!("v1={mac}00")), BAD),
    ("a digit long", |s| s.resigned(|mac| format!("v1={mac}0")), BAD),
    ("a suffix", |s| s.resigned(|mac| format!("v1={mac};")), BAD),
    ("quoted", |s| s.resigned(|mac| format!("v1=\"{mac}\"")), BAD),
    ("1000 signatures", |s| s.resigned(|mac| format!("v1={mac}{}", ",v1=00".repeat(999))), BAD),
    ("nine signatures, a good one first", |s| s.resigned(|mac| format!("v1={mac}{}", ",v1=00".repeat(8))), BAD),
    ("eight signatures, a good one last", |s| s.resigned(|mac| format!("{}v1={mac}", "v1=00,".repeat(7))), GOOD),
    ("good beside garbage", |s| s.resigned(|mac| format!("garbage,,x=y,v1=zz,v0=00,v1={mac},v1=")), GOOD),
    ("the oldest secret", |s| s.by("whsec_older"), GOOD),
    ("the middle secret", |s| s.by(SECRET), GOOD),
    ("the newest secret", |s| s.by("whsec_newer"), GOOD),
    ("none of the secrets", |s| s.by("whsec_other_endpoint"), BAD),
    ("all secrets as they are configured", |s| s.by(&format!("whsec_older,{SECRET},whsec_newer")), BAD),
    ("a secret without its prefix", |s| s.by("of_the_tests"), BAD),
    ("an empty secret", |s| s.by(""), BAD),
    ("another time than the signed one", |s| s.sent(s.header(&s.body()).replacen("t=1", "t=2", 1), &s.body()), BAD),
    ("a time that moves into the body", |s| s.sent(s.header_at(&s.time()[..9], &[s.time().as_bytes(), b".", &s.body()].concat()), &s.body()), BAD),
    ("a byte changed", |s| s.tampered(|body| body.replace("active", "Active")), BAD),
    ("a byte more", |s| s.tampered(|body| format!("{body} ")), BAD),
    ("a byte less", |s| s.tampered(|body| body[..body.len() - 1].to_owned()), BAD),
    ("no body", |s| s.tampered(|_| String::new()), BAD),
    ("the same JSON, written anew", |s| s.tampered(|body| pretty(&body)), BAD),
    ("the same JSON, keys in another order", |s| s.tampered(|body| reversed(&body)), BAD),
];

#[tokio::test]
async fn a_signature_that_is_not_ours_or_not_of_now_is_refused_without_a_trace_s1_s2_s4() {
    run(CASES).await;
}

impl Sheet {
    /// The good event, with a second signature header.
    fn twice(&self, second: impl Fn(&String) -> String) -> Request {
        let body = self.body();
        let header = self.header(&body);
        let (second, length) = (second(&header), body.len().to_string());
        let fields = [
            ("stripe-signature", header.as_bytes()),
            ("stripe-signature", second.as_bytes()),
            ("content-length", length.as_bytes()),
        ];
        Request::new(&fields, &body)
    }

    /// The good event, signed with any secret.
    fn by(&self, secret: &str) -> Request {
        let (time, body) = (self.time(), self.body());
        self.sent(format!("t={time},v1={}", mac(secret, &time, &body)), &body)
    }

    /// The good event, changed after it was signed.
    fn tampered(&self, change: impl Fn(String) -> String) -> Request {
        let signed = self.good().to_string();
        let header = self.header(signed.as_bytes());
        self.sent(header, change(signed).as_bytes())
    }
}

fn arabic(digits: &str) -> String {
    let arabic = |digit: char| char::from_u32(0x660 + digit.to_digit(10).unwrap()).unwrap();
    digits.chars().map(arabic).collect()
}

/// With its first letter in upper case.
fn one_upper(mac: &str) -> String {
    let letter = mac.find(|digit: char| digit.is_ascii_lowercase()).unwrap();
    let mut mac = mac.to_owned();
    mac[letter..=letter].make_ascii_uppercase();
    mac
}

fn pretty(body: &str) -> String {
    serde_json::to_string_pretty(&parse(body)).unwrap()
}

fn reversed(body: &str) -> String {
    let fields = parse(body).into_iter().rev();
    Value::Object(fields.collect()).to_string()
}

fn parse(body: &str) -> Map<String, Value> {
    serde_json::from_str(body).unwrap()
}
