//! The signature header (S1, S2): [`signature::verify`] says of every header what a second, plain reading of the rules
//! says, and believes nothing that was not signed here.
//!
//! Input: the values of the signature headers, one a line, an empty line, the body. Since no fuzzer finds a MAC, one
//! stands in for each: `{one}` and `{two}` for those under the configured secrets, over the header's first `t` and the
//! body; `{other}` for a stranger's; `{ONE}` for the first in upper case.

#![no_main]

use billing_core::signature::{self, Delivery, SignatureError, SigningKeys};
use bstr::ByteSlice;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;

const SECRETS: [&str; 2] = ["whsec_one", "whsec_two"];
const NOW: i64 = 1_800_000_000;
const TOLERANCE_SECONDS: i128 = 300;

fuzz_target!(|data: &[u8]| {
    let (head, body) = data.split_once_str("\n\n").unwrap_or((data, b""));
    let templates: Vec<&[u8]> = match head {
        b"" => Vec::new(),
        head => head.split_str("\n").collect(),
    };
    let headers: Vec<Vec<u8>> = templates.iter().map(|text| filled(text, body)).collect();

    let keys = SigningKeys::parse(&SECRETS.join(",")).unwrap();
    let now = Timestamp::from_second(NOW).unwrap();
    let verified = signature::verify(Delivery::new(body.to_vec(), &headers), &keys, now);

    if let Ok(payload) = &verified {
        assert_eq!(payload.bytes(), body);
        let signed_here = |text: &&[u8]| text.contains_str("{one}") || text.contains_str("{two}");
        assert!(
            templates.iter().any(signed_here),
            "believed without a signature of ours"
        );
    }
    assert_eq!(verified.map(drop), expected(&headers, body));
});

/// The header with the MACs that it asks for.
fn filled(template: &[u8], body: &[u8]) -> Vec<u8> {
    let mut elements = template.split_str(",");
    let timestamp = elements.find_map(|element| element.strip_prefix(b"t="));
    let timestamp = timestamp.unwrap_or_default();
    let mac = |secret: &str| mac(secret, timestamp, body);
    template
        .replace("{one}", mac(SECRETS[0]))
        .replace("{two}", mac(SECRETS[1]))
        .replace("{other}", mac("whsec_other"))
        .replace("{ONE}", mac(SECRETS[0]).to_uppercase())
}

fn mac(secret: &str, timestamp: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(&[timestamp, b".", body].concat());
    hex::encode(mac.finalize().into_bytes())
}

/// What the rules say, in the order of the errors' precedence.
fn expected(headers: &[Vec<u8>], body: &[u8]) -> Result<(), SignatureError> {
    let header = match headers {
        [] => return Err(SignatureError::HeaderMissing),
        [header] => header,
        _ => return Err(SignatureError::HeaderRepeated),
    };
    let values = |name: &'static str| -> Vec<&[u8]> {
        let elements = header.split_str(",");
        elements
            .filter_map(|element| element.strip_prefix(name.as_bytes()))
            .collect()
    };
    let macs = values("v1=");
    if header.len() > 4096 || macs.len() > 8 {
        return Err(SignatureError::HeaderTooLarge);
    }
    let [timestamp] = values("t=")[..] else {
        return Err(SignatureError::TimestampMalformed);
    };
    let seconds = canonical(timestamp).ok_or(SignatureError::TimestampMalformed)?;
    if (i128::from(NOW) - i128::from(seconds)).abs() > TOLERANCE_SECONDS {
        return Err(SignatureError::TimestampOutsideTolerance);
    }
    let signed = SECRETS.iter().any(|secret| {
        let mac = mac(secret, timestamp, body);
        macs.contains(&mac.as_bytes())
    });
    if signed {
        Ok(())
    } else {
        Err(SignatureError::NoMatch)
    }
}

/// A number from 0 on that prints as it was written.
fn canonical(text: &[u8]) -> Option<i64> {
    let number: i64 = text.to_str().ok()?.parse().ok()?;
    (number >= 0 && number.to_string().as_bytes() == text).then_some(number)
}
