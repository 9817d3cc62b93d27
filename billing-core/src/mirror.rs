//! The mirror: one row per customer, free of personal data, beside the service that gates (M1–M4).
//!
//! Queue writes rows through a [`MirrorSink`]; a gate reads them through a [`MirrorReader`]. The
//! row's `updated_at` is minted when it is committed, never taken from Stripe's clock, and orders
//! every copy of it: applying rows late, twice or out of order ends with the newest (M2).

#[cfg(feature = "_store")]
mod coalescing;
#[cfg(feature = "_store")]
mod inspection;
#[cfg(feature = "_store")]
mod outbox;
pub mod push;
#[cfg(feature = "_store")]
pub(crate) mod sql;
mod stamp;

#[cfg(feature = "_store")]
pub use crate::database::Limits;
#[cfg(feature = "_store")]
pub use coalescing::{BatchReader, Coalescing};
#[cfg(feature = "_store")]
pub use inspection::{Column, Contents, Inspection, Rights, Table};
#[cfg(feature = "_store")]
pub(crate) use outbox::LONGEST_BACK_OFF;
#[cfg(feature = "_store")]
pub use outbox::{Dirty, FanOut, Outbox, OutboxDepth, Pass, Retry, Sent};
#[cfg(feature = "_store")]
pub use sql::{CreateError, SqlMirror};
pub use stamp::MirrorTime;

use std::fmt;
use std::future::Future;

use serde::{Deserialize, Deserializer, Serialize};

use crate::catalogue::Tier;
use crate::id::CustomerId;

/// `status` of a mirror row (A1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MirrorStatus {
    /// Paid, or in grace.
    Active,
    /// On trial.
    Trialing,
    /// Grace has ended.
    PastDue,
    /// Stripe stopped trying to collect.
    Unpaid,
    /// A trial without a payment method ended, or collection is paused.
    Paused,
    /// The first payment is due.
    Incomplete,
    /// Ended.
    Canceled,
    /// Never subscribed.
    None,
}

impl MirrorStatus {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::Active,
        Self::Trialing,
        Self::PastDue,
        Self::Unpaid,
        Self::Paused,
        Self::Incomplete,
        Self::Canceled,
        Self::None,
    ];

    /// The status as it stands in the row.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Trialing => "trialing",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Incomplete => "incomplete",
            Self::Canceled => "canceled",
            Self::None => "none",
        }
    }

    fn parse(text: &str) -> Result<Self, MalformedRow> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == text);
        known.ok_or(MalformedRow { column: "status" })
    }
}

impl fmt::Display for MirrorStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A row of `billing_subscription_mirror`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorRow {
    /// Whose row it is.
    pub queue_customer_id: CustomerId,
    /// Their tier.
    pub plan_tier: Tier,
    /// Their status.
    pub status: MirrorStatus,
    /// Until when it was paid, or until grace ends; none: never paid.
    pub current_period_end: Option<MirrorTime>,
    /// The version of the row: strictly greater for every change of it (M2).
    pub updated_at: MirrorTime,
}

/// A mirror row as a database holds it, of which nothing is believed yet.
///
/// A column that holds no text (a table of the host's own making may let it be null, or a number)
/// is read as an empty one, which nothing is believed of either: one bad row must not make those
/// unreadable that are read with it.
#[derive(Debug, Clone, Deserialize)]
pub struct UnverifiedRow {
    /// `queue_customer_id`.
    #[serde(deserialize_with = "text")]
    pub queue_customer_id: String,
    /// `plan_tier`.
    #[serde(deserialize_with = "text")]
    pub plan_tier: String,
    /// `status`.
    #[serde(deserialize_with = "text")]
    pub status: String,
    /// `current_period_end`, as `YYYY-MM-DD HH:MM:SS.ffffff` in UTC.
    #[serde(deserialize_with = "text_or_null")]
    pub current_period_end: Option<String>,
    /// `updated_at`, likewise.
    #[serde(deserialize_with = "text")]
    pub updated_at: String,
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text_or_null(deserializer).map(Option::unwrap_or_default)
}

fn text_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text),
        _ => Some(String::new()),
    })
}

/// A mirror row that nothing of ours wrote so. The gate stays closed on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the mirror row is malformed in {column}")]
pub struct MalformedRow {
    /// The column.
    pub column: &'static str,
}

impl TryFrom<UnverifiedRow> for MirrorRow {
    type Error = MalformedRow;

    fn try_from(row: UnverifiedRow) -> Result<Self, MalformedRow> {
        let malformed = |column| move || MalformedRow { column };
        Ok(Self {
            queue_customer_id: CustomerId::parse(row.queue_customer_id)
                .map_err(|_| malformed("queue_customer_id")())?,
            plan_tier: Tier::parse(row.plan_tier).map_err(|_| malformed("plan_tier")())?,
            status: MirrorStatus::parse(&row.status)?,
            current_period_end: row
                .current_period_end
                .map(|text| MirrorTime::parse(&text).ok_or_else(malformed("current_period_end")))
                .transpose()?,
            updated_at: MirrorTime::parse(&row.updated_at).ok_or_else(malformed("updated_at"))?,
        })
    }
}

/// Why a mirror row could not be read. Never an allow (P2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// The mirror can't be reached or answered with an error.
    #[error("the mirror is unavailable")]
    Unavailable,
    /// The mirror took longer than the gate waits.
    #[error("the mirror took too long")]
    TimedOut,
    /// The row is there and can't be believed.
    #[error(transparent)]
    Malformed(#[from] MalformedRow),
    /// The reader panicked, or something else that the host plugged into its gate.
    #[error("something plugged into the gate panicked")]
    Panicked,
}

impl MirrorError {
    /// A stable name: the label of the metric and the field of the log line.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unavailable => "mirror_unavailable",
            Self::TimedOut => "mirror_timed_out",
            Self::Malformed(_) => "mirror_row_malformed",
            Self::Panicked => "gate_panicked",
        }
    }
}

/// Reads the row of a customer. Implement it for any place that holds one.
pub trait MirrorReader: Send + Sync + 'static {
    /// The customer's row; `Ok(None)` when there is none.
    fn read(
        &self,
        customer: &CustomerId,
    ) -> impl Future<Output = Result<Option<MirrorRow>, MirrorError>> + Send;
}

impl<R: MirrorReader> MirrorReader for std::sync::Arc<R> {
    async fn read(&self, customer: &CustomerId) -> Result<Option<MirrorRow>, MirrorError> {
        self.as_ref().read(customer).await
    }
}

/// Why rows did not reach the mirror. They stay in the outbox and are sent again (M3).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// The table is not there; somebody must run the mirror's migrations.
    #[error("the mirror has no table billing_subscription_mirror")]
    TableMissing,
    /// The mirror can't be reached or answered with an error.
    #[error("the mirror is unavailable")]
    Unavailable,
    /// The mirror refuses these rows.
    #[error("the mirror refuses the rows")]
    Refused,
}

impl SinkError {
    /// A stable name: the label of the metric and the field of the log line.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TableMissing => "mirror_table_missing",
            Self::Unavailable => "mirror_unavailable",
            Self::Refused => "mirror_rows_refused",
        }
    }
}

/// Takes rows to a mirror, in any order and any number of times.
pub trait MirrorSink: Send + Sync + 'static {
    /// Applies rows: each only where it is newer than what is there.
    fn apply(&self, rows: &[MirrorRow]) -> impl Future<Output = Result<(), SinkError>> + Send;
}
