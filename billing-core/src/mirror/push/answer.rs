//! What a push is answered with, written and read in one place so that both sides mean the same.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::MalformedPush;
use crate::mirror::{MalformedRow, SinkError};
use crate::signature::SignatureError;

/// The longest answer that is looked at, in bytes: ours are far shorter.
pub const MAX_ANSWER_BYTES: usize = 4096;
/// Seconds after which sending again is worth it.
const RETRY_AFTER_SECONDS: &str = "5";
/// What the sender believes.
const APPLIED: &str = "applied";
const UNPROCESSABLE: &str = "Unprocessable Content";
const UNAVAILABLE: &str = "Service Unavailable";

/// What came of a push, and what its sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushAnswer {
    /// 200: the mirror holds every row, or a newer one.
    Applied {
        /// How many.
        rows: usize,
    },
    /// 400, or 413 for a body that is too large. Which reason it was stays with the receiver (S4).
    NotBelieved(SignatureError),
    /// 422: signed, and no push.
    Malformed(MalformedPush),
    /// 422 for rows that the mirror refuses; 503 while it has no table or can't be reached.
    NotApplied(SinkError),
}

/// A refusal, as RFC 9457 has it.
#[derive(Serialize)]
struct Details<'a> {
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
}

#[derive(Serialize)]
struct Receipt {
    outcome: &'static str,
}

/// Whatever a receiver answered, or somebody else in its place.
#[derive(Deserialize)]
struct UnverifiedAnswer {
    outcome: Option<String>,
    code: Option<String>,
}

impl PushAnswer {
    /// A stable name: the body's `outcome` or `code`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Applied { .. } => APPLIED,
            Self::NotBelieved(SignatureError::BodyTooLarge) => "body_too_large",
            Self::NotBelieved(_) => "signature_invalid",
            Self::Malformed(_) => SinkError::Refused.code(),
            Self::NotApplied(error) => error.code(),
        }
    }

    /// Why, for the receiver's own log and metric: more than the sender may know.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Applied { .. } => APPLIED,
            Self::NotBelieved(error) => error.code(),
            Self::Malformed(error) => error.code(),
            Self::NotApplied(error) => error.code(),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Applied { .. } => 200,
            Self::NotBelieved(SignatureError::BodyTooLarge) => 413,
            Self::NotBelieved(_) => 400,
            Self::Malformed(_) | Self::NotApplied(SinkError::Refused) => 422,
            Self::NotApplied(SinkError::TableMissing | SinkError::Unavailable) => 503,
        }
    }

    /// The headers, names in lower case.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, &'static str)> {
        let content_type = match self {
            Self::Applied { .. } => "application/json",
            _ => "application/problem+json",
        };
        let mut headers = vec![
            ("content-type", content_type),
            ("cache-control", "no-store"),
        ];
        if self.status() == 503 {
            headers.push(("retry-after", RETRY_AFTER_SECONDS));
        }
        headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        if let Self::Applied { .. } = self {
            return json(&Receipt { outcome: APPLIED });
        }
        let (title, detail) = self.told();
        json(&Details {
            title,
            status: self.status(),
            code: self.code(),
            detail: &detail,
        })
    }

    /// For people.
    fn told(&self) -> (&'static str, Cow<'static, str>) {
        match self {
            Self::Applied { .. } => ("OK", "The rows are applied.".into()),
            Self::NotBelieved(SignatureError::BodyTooLarge) => {
                ("Payload Too Large", "The body is larger than 1 MiB.".into())
            }
            // One text, whatever the cause: nobody learns how close they came (S4).
            Self::NotBelieved(_) => ("Bad Request", "The signature did not verify.".into()),
            Self::Malformed(MalformedPush::NoRows) => {
                (UNPROCESSABLE, "The body is no object with rows.".into())
            }
            Self::Malformed(MalformedPush::TooManyRows) => {
                (UNPROCESSABLE, "There are too many rows.".into())
            }
            Self::Malformed(MalformedPush::Row(MalformedRow { column })) => (
                UNPROCESSABLE,
                format!("A row is malformed in {column}.").into(),
            ),
            Self::NotApplied(SinkError::Refused) => {
                (UNPROCESSABLE, "The mirror refuses the rows.".into())
            }
            Self::NotApplied(SinkError::TableMissing) => (
                UNAVAILABLE,
                "The mirror has no table billing_subscription_mirror.".into(),
            ),
            Self::NotApplied(SinkError::Unavailable) => {
                (UNAVAILABLE, "The mirror is unavailable.".into())
            }
        }
    }
}

fn json(body: &impl Serialize) -> Vec<u8> {
    // Text and numbers always serialise.
    serde_json::to_vec(body).unwrap_or_default()
}

/// Reads the answer to a push.
///
/// # Errors
/// [`SinkError::Refused`] and [`SinkError::TableMissing`] where a receiver says so by its code, and
/// [`SinkError::Unavailable`] for all else. A status alone says nothing: a proxy that answers 200
/// with a page of its own has applied no row, and a framework's own 422 has refused none.
pub fn read_answer(status: u16, body: &[u8]) -> Result<(), SinkError> {
    let answer: Option<UnverifiedAnswer> = serde_json::from_slice(body).ok();
    let (outcome, code) = match &answer {
        Some(answer) => (answer.outcome.as_deref(), answer.code.as_deref()),
        None => (None, None),
    };
    if status == 200 && outcome == Some(APPLIED) {
        return Ok(());
    }
    let said = [SinkError::Refused, SinkError::TableMissing]
        .into_iter()
        .find(|error| code == Some(error.code()));
    Err(said
        .filter(|error| PushAnswer::NotApplied(error.clone()).status() == status)
        .unwrap_or(SinkError::Unavailable))
}
