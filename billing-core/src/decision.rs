//! The decision: may this customer pass, now? (P1–P3)
//!
//! A pure function of the mirror row, the [`Gate`] and the time. It allows in exactly one case and
//! is closed in all others, also where it does not know: an unreadable mirror is no reason to let
//! anyone in.
//!
//! In deployment: the leeway bounds how long a customer stays in after their period's end when
//! nothing feeds the mirror any more. Without it, every renewal would lock customers out for the
//! minutes until its webhook comes.

mod gates;
mod problem;
mod route;

pub use gates::RoutedGates;
pub use problem::{Problem, Protocol};
pub use route::{InvalidPattern, Requirement, Routes};

use jiff::{SignedDuration, Timestamp};

use crate::catalogue::{NotAPaidTier, Tier, TierOrder};
use crate::mirror::{MirrorError, MirrorRow, MirrorStatus};

/// How long after the end of a period access lasts, unless configured otherwise.
pub const DEFAULT_LEEWAY: SignedDuration = SignedDuration::from_hours(72);

/// What a route asks for.
#[derive(Debug, Clone)]
pub struct Gate {
    required_tier: Tier,
    tiers: TierOrder,
    leeway: SignedDuration,
    upgrade_url: Option<String>,
    unknown_is_503: bool,
}

impl Gate {
    /// A gate for a tier of the default order: `free` < `pro` < `pro_plus`.
    ///
    /// # Errors
    /// [`NotAPaidTier`] for the lowest tier, which everyone has, or an unknown one.
    pub fn new(required_tier: Tier) -> Result<Self, NotAPaidTier> {
        Self::within(TierOrder::default(), required_tier)
    }

    /// A gate for a tier of another order.
    ///
    /// # Errors
    /// [`NotAPaidTier`] for the lowest tier, which everyone has, or an unknown one.
    pub fn within(tiers: TierOrder, required_tier: Tier) -> Result<Self, NotAPaidTier> {
        let required_tier = tiers.paid(required_tier)?;
        Ok(Self {
            required_tier,
            tiers,
            leeway: DEFAULT_LEEWAY,
            upgrade_url: None,
            unknown_is_503: false,
        })
    }

    /// The same gate for another tier.
    ///
    /// # Errors
    /// [`NotAPaidTier`] as for [`Gate::new`].
    pub fn for_tier(&self, required_tier: Tier) -> Result<Self, NotAPaidTier> {
        Ok(Self {
            required_tier: self.tiers.paid(required_tier)?,
            ..self.clone()
        })
    }

    /// The same gate with another leeway after the end of a period.
    #[must_use]
    pub fn with_leeway(self, leeway: SignedDuration) -> Self {
        Self { leeway, ..self }
    }

    /// The same gate telling those it refuses where to upgrade.
    #[must_use]
    pub fn with_upgrade_url(self, url: impl Into<String>) -> Self {
        Self {
            upgrade_url: Some(url.into()),
            ..self
        }
    }

    /// The same gate answering 503 instead of 402 where the entitlement is unknown.
    #[must_use]
    pub fn with_503_for_unknown(self) -> Self {
        Self {
            unknown_is_503: true,
            ..self
        }
    }

    /// The lowest tier that may pass.
    #[must_use]
    pub fn required_tier(&self) -> &Tier {
        &self.required_tier
    }

    /// The order of tiers.
    #[must_use]
    pub fn tiers(&self) -> &TierOrder {
        &self.tiers
    }
}

/// Whether a request may reach its handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may: the customer is entitled to this tier.
    Allow(Tier),
    /// It may not.
    Deny(DenyReason),
    /// Nobody can say, so it may not.
    Unknown(MirrorError),
}

/// Why a customer may not pass. For logs and metrics; whoever is refused learns none of it (P3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DenyReason {
    /// The request names no customer.
    NoIdentity,
    /// The mirror has no row for the customer: everyone should have one (M6).
    NoRow,
    /// The status gives no access.
    NotEntitled,
    /// The tier is too low.
    TierTooLow,
    /// The row names no period, or one that ended longer ago than the leeway.
    PeriodOver,
}

impl DenyReason {
    /// A stable name: the label of the metric and the field of the log line.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoIdentity => "no_identity",
            Self::NoRow => "no_row",
            Self::NotEntitled => "not_entitled",
            Self::TierTooLow => "tier_too_low",
            Self::PeriodOver => "period_over",
        }
    }
}

impl Decision {
    /// Whether the handler may run.
    #[must_use]
    pub fn is_allow(&self) -> bool {
        matches!(self, Self::Allow(_))
    }

    /// A stable name: `allow`, or the reason's.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Deny(reason) => reason.code(),
            Self::Unknown(error) => error.code(),
        }
    }
}

/// Decides. `row` is what the reader of the mirror answered for the request's customer.
///
/// ```
/// use billing_core::catalogue::Tier;
/// use billing_core::decision::{Decision, DenyReason, Gate, decide};
/// use jiff::Timestamp;
///
/// let gate = Gate::new(Tier::parse("pro")?)?;
/// assert_eq!(decide(&Ok(None), &gate, Timestamp::UNIX_EPOCH), Decision::Deny(DenyReason::NoRow));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn decide(
    row: &Result<Option<MirrorRow>, MirrorError>,
    gate: &Gate,
    now: Timestamp,
) -> Decision {
    let row = match row {
        Ok(Some(row)) => row,
        Ok(None) => return Decision::Deny(DenyReason::NoRow),
        Err(error) => return Decision::Unknown(*error),
    };
    // A tier that this gate does not know is no lower tier: it can't be compared.
    let Some(rank) = gate.tiers.rank(&row.plan_tier) else {
        return Decision::Unknown(MirrorError::Malformed(crate::mirror::MalformedRow {
            column: "plan_tier",
        }));
    };
    if !matches!(row.status, MirrorStatus::Active | MirrorStatus::Trialing) {
        return Decision::Deny(DenyReason::NotEntitled);
    }
    if Some(rank) < gate.tiers.rank(&gate.required_tier) {
        return Decision::Deny(DenyReason::TierTooLow);
    }
    // Not "end + leeway": that has no value for an end close to the end of time.
    let over_for = row
        .current_period_end
        .map(|end| now.duration_since(end.timestamp()));
    match over_for {
        Some(over_for) if over_for <= gate.leeway => Decision::Allow(row.plan_tier.clone()),
        _ => Decision::Deny(DenyReason::PeriodOver),
    }
}
