//! The mirror over HTTP: rows that Queue pushes, signed, to a receiver beside the gate (M4).
//!
//! 1. The body is `{"rows": […]}`, each row with its five columns and instants as a
//!    [`MirrorTime`](super::MirrorTime) prints them. [`encode`] makes it, [`decode`] reads it, and
//!    only what [`signature::verify`] believed: nobody else can open a gate (S1).
//! 2. [`SIGNATURE_HEADER`] signs it in Stripe's scheme, with every secret of the sender, so that
//!    either side may rotate first (S1).
//! 3. Rows are applied all or none, each only where it is newer (M2): a push that comes late, twice
//!    or out of order harms nothing, and neither does one that is replayed.
//! 4. The sender believes one answer alone, `applied`; after any other it sends the rows again
//!    (M3). [`PushAnswer`] writes the answers and [`read_answer`] reads them.
//!
//! In deployment: the clocks of both hosts count, and the secret is one of its own. Whoever shares
//! Stripe's signing secret with a receiver lets the receiver write Stripe's events.
//!
//! ```
//! use billing_core::mirror::push::{self, PushAnswer, SIGNATURE_HEADER};
//! use billing_core::mirror::{MirrorRow, MirrorSink, SinkError};
//! use billing_core::signature::{self, Delivery, SigningKeys};
//!
//! struct Mirror;
//! impl MirrorSink for Mirror {
//!     async fn apply(&self, _: &[MirrorRow]) -> Result<(), SinkError> {
//!         Ok(())
//!     }
//! }
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let now = jiff::Timestamp::from_second(1_800_000_000)?;
//! # let rows: Vec<MirrorRow> = serde_json::from_str(r#"[{"queue_customer_id": "user-17",
//! #     "plan_tier": "pro", "status": "active", "current_period_end": "2027-02-01 00:00:00.000000",
//! #     "updated_at": "2027-01-15 08:00:00.000000"}]"#)?;
//! let keys = SigningKeys::parse("the secret of the two")?;
//! // Queue sends this body with this header,
//! let body = push::encode(&rows);
//! let header = (SIGNATURE_HEADER, signature::sign(&body, &keys, now));
//! // the receiver takes it,
//! let answer = push::receive(Delivery::new(body, [header.1]), &keys, &Mirror, now).await;
//! assert_eq!(answer, PushAnswer::Applied { rows: 1 });
//! // and Queue reads the answer.
//! assert_eq!(push::read_answer(answer.status(), &answer.body()), Ok(()));
//! # Ok(()) }
//! ```

mod answer;

pub use answer::{MAX_ANSWER_BYTES, PushAnswer, read_answer};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{MalformedRow, MirrorRow, MirrorSink, UnverifiedRow};
use crate::signature::{self, Delivery, SigningKeys, VerifiedPayload};

/// The header that signs a push, in Stripe's scheme.
pub const SIGNATURE_HEADER: &str = "queue-signature";
/// The most rows of one push. That many of the longest stay below
/// [`MAX_BODY_BYTES`](signature::MAX_BODY_BYTES).
pub const MAX_ROWS: usize = 1000;

/// A push as it is written.
#[derive(Serialize)]
struct Push<'a> {
    rows: &'a [MirrorRow],
}

/// A push whose signature verified and whose rows nobody has looked at yet. Further fields are
/// passed over: a later sender may have some.
#[derive(Deserialize)]
struct UnverifiedPush {
    rows: Vec<UnverifiedRow>,
}

/// A signed body that is no push. Nothing of it is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedPush {
    /// Not one JSON object with a list of rows, each with its columns.
    #[error("the push is no object with a list of rows")]
    NoRows,
    /// More than [`MAX_ROWS`].
    #[error("the push has too many rows")]
    TooManyRows,
    /// A column of a row holds what it can't.
    #[error(transparent)]
    Row(#[from] MalformedRow),
}

impl MalformedPush {
    /// A stable name: the field of the log line.
    #[must_use]
    pub fn code(self) -> &'static str {
        "push_malformed"
    }
}

/// Writes rows as the body of a push. At most [`MAX_ROWS`], or no receiver takes them.
#[must_use]
pub fn encode(rows: &[MirrorRow]) -> Vec<u8> {
    // Text always serialises.
    serde_json::to_vec(&Push { rows }).unwrap_or_default()
}

/// Reads the rows of a push.
///
/// # Errors
/// [`MalformedPush`]: one bad row refuses all, and the sender then sends them apart.
pub fn decode(payload: &VerifiedPayload) -> Result<Vec<MirrorRow>, MalformedPush> {
    let push: UnverifiedPush =
        serde_json::from_slice(payload.bytes()).map_err(|_| MalformedPush::NoRows)?;
    if push.rows.len() > MAX_ROWS {
        return Err(MalformedPush::TooManyRows);
    }
    let rows = push.rows.into_iter().map(MirrorRow::try_from);
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Takes a push: verifies it, decodes it, applies it, and says what to answer.
pub async fn receive<S: MirrorSink>(
    delivery: Delivery,
    keys: &SigningKeys,
    sink: &S,
    now: Timestamp,
) -> PushAnswer {
    let payload = match signature::verify(delivery, keys, now) {
        Ok(payload) => payload,
        Err(error) => return PushAnswer::NotBelieved(error),
    };
    let rows = match decode(&payload) {
        Ok(rows) => rows,
        Err(error) => return PushAnswer::Malformed(error),
    };
    match sink.apply(&rows).await {
        Ok(()) => PushAnswer::Applied { rows: rows.len() },
        Err(error) => PushAnswer::NotApplied(error),
    }
}
