//! The audit chain: every change of money state, linked and sealed (C3).
//!
//! Each row carries the exact bytes that its MAC is over (the *pre-image*), and each pre-image
//! holds the MAC of the row before: a row can't be altered, taken out, put in or moved without
//! the key. The readable columns must agree with the pre-image, and the head says where the chain
//! ends, so that cutting its tail shows too. `docs/AUDIT.md` of the repository writes the format
//! down for a second implementation.

mod preimage;
mod verify;

pub use preimage::{Entry, MalformedPreimage};
pub use verify::{Fault, FaultKind, Verifier};

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hexadecimal;
use crate::mirror::MirrorTime;
use crate::sha256::{self, MacKey};

/// The length of a MAC, in bytes.
pub const MAC_BYTES: usize = sha256::BYTES;
/// The MAC that the first row of a chain follows.
pub const GENESIS: [u8; MAC_BYTES] = [0; MAC_BYTES];

const KEY_BYTES: usize = 32;
const KEY_ID_DOMAIN: &[u8] = b"billing.audit.key-id.v1";
const KEY_CHECK_DOMAIN: &[u8] = b"billing.audit.key-check.v1";

/// The key that seals the chain. Held in memory only; prints its id.
#[derive(Clone)]
pub struct AuditKey {
    id: String,
    check_value: String,
    mac: MacKey,
}

/// Text that is no audit key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an audit key is 64 hexadecimal digits (32 random bytes)")]
pub struct InvalidAuditKey;

impl AuditKey {
    /// Takes a key as 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`InvalidAuditKey`] for any other text, or for the same byte 32 times.
    pub fn parse(text: &str) -> Result<Self, InvalidAuditKey> {
        let digits = text.trim().to_ascii_lowercase();
        let key: [u8; KEY_BYTES] =
            hexadecimal::decode_array(digits.as_bytes()).ok_or(InvalidAuditKey)?;
        if key.iter().all(|byte| *byte == key[0]) {
            return Err(InvalidAuditKey);
        }
        let mac = MacKey::new(&key);
        let id = sha256::digest(&[KEY_ID_DOMAIN, &key]);
        let check = mac.mac_of(&[KEY_CHECK_DOMAIN]);
        Ok(Self {
            id: hexadecimal::encode(&id[..8]),
            check_value: hexadecimal::encode(&check[..16]),
            mac,
        })
    }

    /// The key's id: the first 8 bytes of a digest of it, in hexadecimal.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the head of the chain holds to tell this key from another (C4).
    #[must_use]
    pub fn check_value(&self) -> &str {
        &self.check_value
    }

    /// Whether a chain with this head was written with this key, or is empty.
    #[must_use]
    pub fn continues(&self, head: &Head) -> bool {
        head.key_check
            .as_ref()
            .is_none_or(|check| *check == self.check_value)
    }

    pub(crate) fn mac_of(&self, bytes: &[u8]) -> [u8; MAC_BYTES] {
        self.mac.mac_of(&[bytes])
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AuditKey({})", self.id)
    }
}

/// What is to be written to the chain: what happened, to what, by whom. Free of personal data.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Who did it: `stripe`, `refresh`, `internal`, `customer` or `clock`.
    pub actor: &'static str,
    /// What was done, such as `subscription.changed`.
    pub action: &'static str,
    /// To what: an object's or a customer's id.
    pub subject: String,
    /// By which event, where it was one.
    pub event_id: Option<String>,
    /// What changed, as JSON text: for each column, what it was and what it is.
    pub details: String,
}

/// A row of the chain as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its place: 1, 2, 3, … without a gap.
    pub seq: u64,
    /// When it was written, as `YYYY-MM-DD HH:MM:SS.ffffff` in UTC.
    pub recorded_at: String,
    /// See [`Draft::actor`].
    pub actor: String,
    /// See [`Draft::action`].
    pub action: String,
    /// See [`Draft::subject`].
    pub subject: String,
    /// See [`Draft::event_id`].
    pub event_id: Option<String>,
    /// See [`Draft::details`].
    pub details: String,
    /// The bytes that the MAC is over; in JSON, in hexadecimal.
    #[serde(with = "as_hexadecimal")]
    pub preimage: Vec<u8>,
    /// HMAC-SHA256 of the pre-image, in hexadecimal.
    pub mac: String,
    /// The id of the key.
    pub key_id: String,
}

mod as_hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::hexadecimal;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            to.serialize_str(&hexadecimal::encode(bytes))
        } else {
            to.serialize_bytes(bytes)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        hexadecimal::decode(&String::deserialize(from)?)
            .ok_or_else(|| D::Error::custom("not hexadecimal"))
    }
}

/// What one transaction adds to the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Addition {
    /// Rows, in order.
    pub rows: Vec<Row>,
    /// The head after them.
    pub head: Head,
}

/// Where the chain ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// `seq` of the last row; 0: the chain is empty.
    pub seq: u64,
    /// MAC of the last row, in hexadecimal.
    pub mac: String,
    /// Tells the key of the chain from another; none before the first row.
    pub key_check: Option<String>,
}

impl Head {
    /// The head of an empty chain.
    #[must_use]
    pub fn genesis() -> Self {
        Self {
            seq: 0,
            mac: hexadecimal::encode(GENESIS),
            key_check: None,
        }
    }

    /// Appends a draft: the new row, and the head after it.
    #[must_use]
    pub fn append(&self, draft: Draft, key: &AuditKey, recorded_at: MirrorTime) -> (Self, Row) {
        let entry = Entry {
            seq: self.seq + 1,
            recorded_at,
            actor: draft.actor.to_owned(),
            action: draft.action.to_owned(),
            subject: draft.subject,
            event_id: draft.event_id,
            details: draft.details,
            key_id: key.id().to_owned(),
            previous_mac: self.mac.clone(),
        };
        let preimage = entry.to_bytes();
        let mac = hexadecimal::encode(key.mac_of(&preimage));
        let head = Self {
            seq: entry.seq,
            mac: mac.clone(),
            key_check: Some(key.check_value().to_owned()),
        };
        (head, entry.into_row(preimage, mac))
    }

    /// Appends drafts; nothing where there are none.
    #[must_use]
    pub fn append_all(&self, drafts: Vec<(Draft, MirrorTime)>, key: &AuditKey) -> Option<Addition> {
        let mut rows = Vec::with_capacity(drafts.len());
        let mut head = None;
        for (draft, recorded_at) in drafts {
            let (next, row) = head
                .as_ref()
                .unwrap_or(self)
                .append(draft, key, recorded_at);
            rows.push(row);
            head = Some(next);
        }
        head.map(|head| Addition { rows, head })
    }
}
