//! The bytes that a row's MAC is over: length-prefixed and domain-separated.
//!
//! `DOMAIN`, then `seq` as 8 bytes and `recorded_at` in microseconds since 1970 as 8 bytes, both
//! big-endian, then seven fields, each its length as 4 bytes big-endian and its bytes: actor,
//! action, subject, event id (empty: none), details (JSON text), key id, and the 32 bytes of the
//! previous row's MAC. No two different rows have the same bytes.

use jiff::Timestamp;

use super::{MAC_BYTES, Row};
use crate::hexadecimal;
use crate::mirror::MirrorTime;

const DOMAIN: &[u8] = b"billing.audit.row.v1\0";

/// What a pre-image says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// See [`Row::seq`].
    pub seq: u64,
    /// See [`Row::recorded_at`].
    pub recorded_at: MirrorTime,
    /// See [`Row::actor`].
    pub actor: String,
    /// See [`Row::action`].
    pub action: String,
    /// See [`Row::subject`].
    pub subject: String,
    /// See [`Row::event_id`].
    pub event_id: Option<String>,
    /// See [`Row::details`].
    pub details: String,
    /// See [`Row::key_id`].
    pub key_id: String,
    /// MAC of the row before, in hexadecimal.
    pub previous_mac: String,
}

/// Bytes that are no pre-image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the pre-image is malformed")]
pub struct MalformedPreimage;

impl Entry {
    /// The pre-image.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let previous_mac = hexadecimal::decode(&self.previous_mac).unwrap_or_default();
        let micros = self.recorded_at.timestamp().as_microsecond();
        let mut bytes = DOMAIN.to_vec();
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(micros.to_be_bytes());
        let fields: [&[u8]; 7] = [
            self.actor.as_bytes(),
            self.action.as_bytes(),
            self.subject.as_bytes(),
            self.event_id.as_deref().unwrap_or_default().as_bytes(),
            self.details.as_bytes(),
            self.key_id.as_bytes(),
            &previous_mac,
        ];
        for field in fields {
            // A field of 4 GiB can't come: a whole delivery is at most 1 MiB.
            bytes.extend(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend(field);
        }
        bytes
    }

    /// Reads a pre-image.
    ///
    /// # Errors
    /// [`MalformedPreimage`] for any other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MalformedPreimage> {
        Reader(bytes).entry().ok_or(MalformedPreimage)
    }

    pub(super) fn into_row(self, preimage: Vec<u8>, mac: String) -> Row {
        Row {
            seq: self.seq,
            recorded_at: self.recorded_at.to_string(),
            actor: self.actor,
            action: self.action,
            subject: self.subject,
            event_id: self.event_id,
            details: self.details,
            preimage,
            mac,
            key_id: self.key_id,
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn entry(mut self) -> Option<Entry> {
        self.0 = self.0.strip_prefix(DOMAIN)?;
        let seq = u64::from_be_bytes(self.take(8)?.try_into().ok()?);
        let micros = i64::from_be_bytes(self.take(8)?.try_into().ok()?);
        let entry = Entry {
            seq,
            recorded_at: MirrorTime::from_timestamp(Timestamp::from_microsecond(micros).ok()?),
            actor: self.text()?,
            action: self.text()?,
            subject: self.text()?,
            event_id: self.text().map(|id| Some(id).filter(|id| !id.is_empty()))?,
            details: self.text()?,
            key_id: self.text()?,
            previous_mac: self
                .field()
                .filter(|mac| mac.len() == MAC_BYTES)
                .map(hexadecimal::encode)?,
        };
        self.0.is_empty().then_some(entry)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        self.take(usize::try_from(length).ok()?)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.field()?.to_vec()).ok()
    }
}
