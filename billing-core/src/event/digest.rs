//! The digest of an event's facts, by which a second body under the same id is told apart (C2).
//!
//! Raw bytes differ legitimately between deliveries (`pending_webhooks`, the API version of the
//! endpoint), so what is compared is what we read. Personal data is left out: a digest of an
//! e-mail address is as good as the address to whoever can guess it.

use std::fmt;

use serde::Serialize;

use super::{Event, Facts};
use crate::{hexadecimal, sha256};

/// Changes whenever the serialised form of [`Facts`] does: digests of another version tell nothing.
const VERSION: &str = "v1";
const DOMAIN: &[u8] = b"billing.event.facts.";

/// SHA-256 over an event's id, type, `created` and facts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FactsDigest([u8; sha256::BYTES]);

#[derive(Serialize)]
struct Digested<'a> {
    id: &'a str,
    event_type: &'a str,
    created: Option<i64>,
    facts: &'a Facts,
}

impl FactsDigest {
    pub(super) fn of(event: &Event) -> Self {
        let digested = Digested {
            id: event.id.as_str(),
            event_type: event.event_type.as_str(),
            created: event.created.map(|created| created.seconds()),
            facts: &event.facts,
        };
        let bytes = serde_json::to_vec(&digested).unwrap_or_default();
        Self(sha256::digest(&[DOMAIN, VERSION.as_bytes(), &bytes]))
    }

    /// The digest as it is stored: its version, a colon, and lower-case hexadecimal.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{VERSION}:{}", hexadecimal::encode(self.0))
    }

    /// Whether a stored digest is of other facts. One of another version tells nothing.
    #[must_use]
    pub fn contradicts(self, stored: &str) -> bool {
        stored.starts_with(&format!("{VERSION}:")) && stored != self.to_text()
    }
}

impl fmt::Debug for FactsDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_text())
    }
}
