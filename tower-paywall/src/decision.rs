//! What was decided, for whoever handles the request or sees its response.

use std::sync::Arc;

use billing_core::catalogue::Tier;
use billing_core::decision::{Decision, Gate};
use billing_core::id::CustomerId;

/// What the paywall decided about a request.
///
/// It is left in the request's extensions, for the handler and for a
/// [`DenialResponse`](crate::DenialResponse). Of a request that was refused, or would have been by a
/// paywall that only observes, it is left in the response's extensions as well, for layers outside:
/// where paywalls are nested, the innermost one's. Exempt requests carry none.
/// Extensions never leave the process: whoever is refused does not learn the reason (P3).
#[derive(Debug, Clone)]
pub struct GateDecision {
    pub(crate) decision: Decision,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) gate: Arc<Gate>,
}

impl GateDecision {
    /// The decision. Where a handler sees another than `Allow`, the paywall only observes.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The customer that the request is from; `None` where it showed none.
    #[must_use]
    pub fn customer(&self) -> Option<&CustomerId> {
        self.customer.as_ref()
    }

    /// The customer's tier, if they were allowed to pass.
    #[must_use]
    pub fn tier(&self) -> Option<&Tier> {
        match &self.decision {
            Decision::Allow(tier) => Some(tier),
            Decision::Deny(_) | Decision::Unknown(_) => None,
        }
    }

    /// The lowest tier that could pass.
    #[must_use]
    pub fn required_tier(&self) -> &Tier {
        self.gate.required_tier()
    }
}
