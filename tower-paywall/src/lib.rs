#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod admission;
mod decision;
mod future;
mod identity;
mod layer;
mod path;
mod read;
mod response;
mod service;

pub use decision::GateDecision;
pub use future::ResponseFuture;
pub use identity::{Identify, NoIdentity};
pub use layer::{DEFAULT_READ_TIMEOUT, PaywallLayer};
pub use path::OriginalPath;
pub use response::{DenialResponse, ProblemResponse, ResponseBody};
pub use service::Paywall;

pub use billing_core::alert::{Alert, AlertSink, Alerts, LogSink, MetricSink, Severity};
pub use billing_core::catalogue::{InvalidTier, InvalidTierOrder, NotAPaidTier, Tier, TierOrder};
pub use billing_core::decision::{
    DEFAULT_LEEWAY, Decision, DenyReason, Gate, InvalidPattern, Problem, Protocol, Routes,
};
pub use billing_core::id::{CustomerId, InvalidId};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use billing_core::mirror::{Coalescing, SqlMirror};
pub use billing_core::mirror::{
    MalformedRow, MirrorError, MirrorReader, MirrorRow, MirrorStatus, MirrorTime, UnverifiedRow,
};
pub use jiff::{SignedDuration, Timestamp};
