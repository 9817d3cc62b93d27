//! Verification of Stripe's webhook signatures.
//!
//! 1. The MAC is HMAC-SHA256 over `t`, a full stop and the raw body, compared in constant time;
//!    any `v1` may match under any configured secret, so that secrets rotate (S1).
//! 2. Exactly one header with exactly one canonical `t`, no further than the tolerance from `now`
//!    on either side; at most eight `v1`; bounded sizes (S2).
//! 3. Keys can't be empty, and no setting turns verification off (S3).
//!
//! In deployment: the body must arrive as Stripe sent it, byte for byte. A proxy that decompresses,
//! re-encodes or re-serialises it makes every signature fail. The clock of the host counts: one
//! that is five minutes off refuses every delivery.
//!
//! ```
//! use billing_core::signature::{self, Delivery, SigningKeys};
//! use jiff::Timestamp;
//!
//! let keys = SigningKeys::parse("whsec_new,whsec_old")?;
//! let now = Timestamp::from_second(1_800_000_000)?;
//! let header = signature::sign(b"{}", &keys, now);
//! assert!(signature::verify(Delivery::new("{}", [&header]), &keys, now).is_ok());
//! assert!(signature::verify(Delivery::new("{ }", [&header]), &keys, now).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{fmt, iter};

use bytes::Bytes;
use jiff::Timestamp;
use subtle::{Choice, ConstantTimeEq};

use crate::hexadecimal;
use crate::sha256::{self, MacKey};

/// The largest body that is looked at, in bytes (S2). Stripe's events stay far below.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The longest signature header that is looked at, in bytes (S2).
pub const MAX_HEADER_BYTES: usize = 4096;
/// The most `v1` signatures that one header may carry (S2).
pub const MAX_SIGNATURES: usize = 8;
/// How far a signed time may lie from ours, on either side, unless configured otherwise (S2).
pub const DEFAULT_TOLERANCE_SECONDS: u32 = 300;

const MAC_BYTES: usize = sha256::BYTES;
/// What a signature of the scheme that we know begins with.
const V1: &[u8] = b"v1=";

/// A request as it came, of which nothing is believed yet.
#[derive(Clone)]
pub struct Delivery {
    unverified_body: Bytes,
    signature_header: Option<Vec<u8>>,
    /// Whether there was more than one.
    header_repeated: bool,
}

impl Delivery {
    /// Takes the raw body and the value of every `Stripe-Signature` header of the request.
    pub fn new<H>(body: impl Into<Bytes>, signature_headers: impl IntoIterator<Item = H>) -> Self
    where
        H: AsRef<[u8]>,
    {
        let mut headers = signature_headers.into_iter();
        let first = headers.next();
        Self {
            unverified_body: body.into(),
            signature_header: first.map(|header| header.as_ref().to_vec()),
            header_repeated: headers.next().is_some(),
        }
    }
}

/// A body that one of our secrets signed within the tolerance. Only [`verify`] makes one.
#[derive(Clone)]
pub struct VerifiedPayload(Bytes);

impl VerifiedPayload {
    /// The body, byte for byte as it was signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Why a delivery is refused. The sender learns none of this (S4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SignatureError {
    /// The body is longer than [`MAX_BODY_BYTES`].
    #[error("the body is too large")]
    BodyTooLarge,
    /// There is no signature header.
    #[error("there is no signature header")]
    HeaderMissing,
    /// There are several signature headers.
    #[error("there is more than one signature header")]
    HeaderRepeated,
    /// The header is longer than [`MAX_HEADER_BYTES`], or carries more than [`MAX_SIGNATURES`].
    #[error("the signature header is too large")]
    HeaderTooLarge,
    /// Not exactly one `t` in canonical decimal.
    #[error("the signature header has not exactly one timestamp in canonical decimal")]
    TimestampMalformed,
    /// The signed time is further from ours than the tolerance.
    #[error("the signed timestamp is outside of the tolerance")]
    TimestampOutsideTolerance,
    /// No `v1` matches under any secret.
    #[error("no signature matches")]
    NoMatch,
}

impl SignatureError {
    /// A stable name: the label of the metric and the field of the log line.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BodyTooLarge => "body_too_large",
            Self::HeaderMissing => "header_missing",
            Self::HeaderRepeated => "header_repeated",
            Self::HeaderTooLarge => "header_too_large",
            Self::TimestampMalformed => "timestamp_malformed",
            Self::TimestampOutsideTolerance => "timestamp_outside_tolerance",
            Self::NoMatch => "no_match",
        }
    }
}

/// A secret that can't sign anything safely (S3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret is empty, blank or only the prefix whsec_")]
pub struct WeakSecret;

/// The secrets of an endpoint and how far its clock may differ. Prints none of them.
#[derive(Clone)]
pub struct SigningKeys {
    secrets: Vec<MacKey>,
    tolerance_seconds: u32,
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKeys({} secrets)", self.secrets.len())
    }
}

impl SigningKeys {
    /// Takes one secret, or several with commas between while they rotate.
    ///
    /// # Errors
    /// [`WeakSecret`] when any of them is empty, blank or only `whsec_` (S3).
    pub fn parse(secrets: &str) -> Result<Self, WeakSecret> {
        let secrets = secrets
            .split(',')
            .map(|secret| {
                let secret = secret.trim();
                if secret
                    .strip_prefix("whsec_")
                    .unwrap_or(secret)
                    .trim()
                    .is_empty()
                {
                    return Err(WeakSecret);
                }
                Ok(MacKey::new(secret.as_bytes()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            secrets,
            tolerance_seconds: DEFAULT_TOLERANCE_SECONDS,
        })
    }

    /// The same secrets with another tolerance, in seconds.
    #[must_use]
    pub fn with_tolerance_seconds(self, tolerance_seconds: u32) -> Self {
        Self {
            tolerance_seconds,
            ..self
        }
    }
}

/// Believes a delivery, or says why not.
///
/// # Errors
/// A [`SignatureError`], in the order in which its variants stand.
pub fn verify(
    delivery: Delivery,
    keys: &SigningKeys,
    now: Timestamp,
) -> Result<VerifiedPayload, SignatureError> {
    let Delivery {
        unverified_body,
        signature_header,
        header_repeated,
    } = delivery;
    if unverified_body.len() > MAX_BODY_BYTES {
        return Err(SignatureError::BodyTooLarge);
    }
    let header = signature_header.ok_or(SignatureError::HeaderMissing)?;
    if header_repeated {
        return Err(SignatureError::HeaderRepeated);
    }
    let claim = UnverifiedClaim::parse(&header)?;
    let distance = now.as_second().abs_diff(claim.seconds);
    if distance > u64::from(keys.tolerance_seconds) {
        return Err(SignatureError::TimestampOutsideTolerance);
    }
    // No early return on the first match: the time taken tells nothing of which pair matched.
    let mut matched = Choice::from(0);
    for secret in &keys.secrets {
        let expected = mac_of(secret, claim.timestamp, &unverified_body);
        for signature in claim.signatures() {
            matched |= words(&expected).ct_eq(&words(&signature));
        }
    }
    if bool::from(matched) {
        Ok(VerifiedPayload(unverified_body))
    } else {
        Err(SignatureError::NoMatch)
    }
}

/// Signs a body as Stripe does, with each of the keys: the value of a signature header.
///
/// What Stripe sends needs no signing by us; receivers of our own pushes and tests do.
#[must_use]
pub fn sign(body: &[u8], keys: &SigningKeys, now: Timestamp) -> String {
    let timestamp = now.as_second().to_string();
    let mut header = format!("t={timestamp}");
    for secret in &keys.secrets {
        header.push_str(",v1=");
        header.push_str(&hexadecimal::encode(mac_of(
            secret,
            timestamp.as_bytes(),
            body,
        )));
    }
    header
}

/// A MAC by the word, which compares in constant time as well and faster than by the byte.
fn words(mac: &[u8; MAC_BYTES]) -> [u128; MAC_BYTES / 16] {
    let (words, _) = mac.as_chunks::<16>();
    std::array::from_fn(|index| words.get(index).copied().map_or(0, u128::from_le_bytes))
}

fn mac_of(secret: &MacKey, timestamp: &[u8], body: &[u8]) -> [u8; MAC_BYTES] {
    secret.mac_of(&[timestamp, b".", body])
}

/// What a header claims.
struct UnverifiedClaim<'a> {
    header: &'a [u8],
    /// `t` as received: the MAC is over these bytes, not over a number printed again.
    timestamp: &'a [u8],
    seconds: i64,
}

impl<'a> UnverifiedClaim<'a> {
    fn parse(header: &'a [u8]) -> Result<Self, SignatureError> {
        if header.len() > MAX_HEADER_BYTES {
            return Err(SignatureError::HeaderTooLarge);
        }
        let (mut timestamp, mut timestamp_repeated, mut signature_count) = (None, false, 0);
        for element in elements(header) {
            // Other schemes, v0 among them, are passed over: Stripe may add some.
            if let Some(value) = element.strip_prefix(b"t=") {
                timestamp_repeated |= timestamp.replace(value).is_some();
            } else if element.starts_with(V1) {
                signature_count += 1;
            }
        }
        if signature_count > MAX_SIGNATURES {
            return Err(SignatureError::HeaderTooLarge);
        }
        let timestamp = timestamp
            .filter(|_| !timestamp_repeated)
            .ok_or(SignatureError::TimestampMalformed)?;
        let seconds = canonical_decimal(timestamp).ok_or(SignatureError::TimestampMalformed)?;
        Ok(Self {
            header,
            timestamp,
            seconds,
        })
    }

    /// Those signatures that are 64 lower-case digits.
    fn signatures(&self) -> impl Iterator<Item = [u8; MAC_BYTES]> {
        let values = elements(self.header).filter_map(|element| element.strip_prefix(V1));
        values.filter_map(hexadecimal::decode_array)
    }
}

fn elements(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(header);
    iter::from_fn(move || {
        let header = rest?;
        let end = memchr::memchr(b',', header);
        rest = end.map(|end| &header[end + 1..]);
        Some(&header[..end.unwrap_or(header.len())])
    })
}

/// Digits only, no sign, no leading zero: one text for one number, so that nothing that looks
/// like a signed time to another parser is a different one to us.
fn canonical_decimal(text: &[u8]) -> Option<i64> {
    if matches!(text, [] | [b'0', _, ..]) {
        return None;
    }
    text.iter().try_fold(0_i64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}
