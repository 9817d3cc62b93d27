//! Verification of a chain, row by row in constant memory: names the first fault.

use std::fmt;

use subtle::ConstantTimeEq;

use super::{AuditKey, Entry, Head, Row};
use crate::hexadecimal;

/// What is wrong with a chain, and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit chain is broken at seq {seq}: {kind}")]
pub struct Fault {
    /// The first bad place.
    pub seq: u64,
    /// What is wrong there.
    pub kind: FaultKind,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// A row is missing, doubled or out of place.
    Gap,
    /// It was sealed with another key than the one given.
    OtherKey,
    /// Its bytes are not those that were sealed.
    Altered,
    /// It does not follow the row before it.
    Unlinked,
    /// Its readable columns say something else than its sealed bytes.
    ColumnsDiffer,
    /// The head says that the chain ends elsewhere: rows were cut off, or the head was set back.
    HeadDiffers,
}

impl FaultKind {
    /// A stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::OtherKey => "other_key",
            Self::Altered => "altered",
            Self::Unlinked => "unlinked",
            Self::ColumnsDiffer => "columns_differ",
            Self::HeadDiffers => "head_differs",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Takes the rows of a chain in order and says where it breaks.
#[derive(Debug)]
pub struct Verifier<'a> {
    key: &'a AuditKey,
    end: Head,
}

impl<'a> Verifier<'a> {
    /// A verifier that has seen no row yet.
    #[must_use]
    pub fn new(key: &'a AuditKey) -> Self {
        Self {
            key,
            end: Head::genesis(),
        }
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// The [`Fault`] that begins here. The rows after it prove nothing.
    pub fn take(&mut self, row: &Row) -> Result<(), Fault> {
        let seq = self.end.seq + 1;
        self.check(row).map_err(|kind| Fault { seq, kind })?;
        self.end = Head {
            seq,
            mac: row.mac.clone(),
            key_check: Some(self.key.check_value().to_owned()),
        };
        Ok(())
    }

    /// Compares where the rows ended with the head, and says how many there were.
    ///
    /// # Errors
    /// [`FaultKind::HeadDiffers`], or [`FaultKind::OtherKey`] when the head was made with another.
    pub fn finish(self, head: &Head) -> Result<u64, Fault> {
        let fault = |kind| Fault {
            seq: self.end.seq.min(head.seq) + 1,
            kind,
        };
        if (self.end.seq, &self.end.mac) != (head.seq, &head.mac) {
            return Err(fault(FaultKind::HeadDiffers));
        }
        if head.key_check != self.end.key_check {
            return Err(fault(FaultKind::OtherKey));
        }
        Ok(self.end.seq)
    }

    fn check(&self, row: &Row) -> Result<(), FaultKind> {
        if row.seq != self.end.seq + 1 {
            return Err(FaultKind::Gap);
        }
        if row.key_id != self.key.id() {
            return Err(FaultKind::OtherKey);
        }
        let mac = hexadecimal::decode(&row.mac).ok_or(FaultKind::Altered)?;
        if !bool::from(self.key.mac_of(&row.preimage).as_slice().ct_eq(&mac)) {
            return Err(FaultKind::Altered);
        }
        let entry = Entry::from_bytes(&row.preimage).map_err(|_| FaultKind::Altered)?;
        if entry.previous_mac != self.end.mac {
            return Err(FaultKind::Unlinked);
        }
        if entry.into_row(row.preimage.clone(), row.mac.clone()) == *row {
            Ok(())
        } else {
            Err(FaultKind::ColumnsDiffer)
        }
    }
}
