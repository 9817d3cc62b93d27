use billing_core::signature::{self, Delivery, SigningKeys};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Vectors};

#[derive(Deserialize)]
struct Input {
    secrets: String,
    tolerance_seconds: Option<u32>,
    now: i64,
    headers: Vec<String>,
    #[serde(flatten)]
    body: Body,
}

fn answer(input: Input) -> Value {
    let Ok(keys) = SigningKeys::parse(&input.secrets) else {
        return json!({ "error": "weak_secret" });
    };
    let keys = match input.tolerance_seconds {
        Some(seconds) => keys.with_tolerance_seconds(seconds),
        None => keys,
    };
    let body = input.body.bytes();
    let now = Timestamp::from_second(input.now).unwrap();
    match signature::verify(Delivery::new(body.clone(), &input.headers), &keys, now) {
        Ok(payload) => {
            assert_eq!(payload.bytes(), body, "what is believed is what was signed");
            json!("ok")
        }
        Err(error) => json!({ "error": error.code() }),
    }
}

#[test]
fn deliveries_are_believed_as_the_vectors_say_s1_s2_s3() {
    Vectors::<Input>::read("signature.json").check(answer);
}

#[test]
fn what_is_signed_here_is_believed_under_each_of_its_keys_s1() {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let both = SigningKeys::parse("whsec_a,whsec_b").unwrap();
    let header = signature::sign(b"body", &both, now);
    for secret in ["whsec_a", "whsec_b", "whsec_b,whsec_a"] {
        let keys = SigningKeys::parse(secret).unwrap();
        let delivery = Delivery::new("body", [&header]);
        assert!(signature::verify(delivery, &keys, now).is_ok(), "{secret}");
    }
}

#[test]
fn keys_print_none_of_their_secrets_s3() {
    let keys = SigningKeys::parse("whsec_a,whsec_b").unwrap();
    assert_eq!(format!("{keys:?}"), "SigningKeys(2 secrets)");
}

#[test]
fn bytes_that_are_no_text_are_signed_as_they_are_s1() {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let keys = SigningKeys::parse("whsec_a").unwrap();
    let body = [0xff, 0x00, 0xfe];
    let mut header = signature::sign(&body, &keys, now).into_bytes();
    header.extend(b",x=\xff\xfe");
    let delivery = Delivery::new(body.to_vec(), [&header]);
    assert!(signature::verify(delivery, &keys, now).is_ok());
}
