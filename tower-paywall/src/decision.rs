//! What was decided, for whoever handles the request or sees its response.

use std::sync::Arc;

use billing_core::catalogue::Tier;
use billing_core::decision::{Decision, Gate};
use billing_core::id::CustomerId;

/// What the paywall decided about a request.
///
/// It is left in the request's extensions, for the handler and for a
/// [`DenialResponse`](crate::DenialResponse), and in the response's, for layers outside the paywall.
/// Where paywalls are nested the response carries the innermost one's. Exempt requests carry none.
/// Extensions never leave the process: whoever is refused does not learn the reason (P3).
#[derive(Debug, Clone)]
pub struct GateDecision(Arc<Facts>);

#[derive(Debug)]
struct Facts {
    decision: Decision,
    customer: Option<CustomerId>,
    gate: Arc<Gate>,
}

impl GateDecision {
    pub(crate) fn new(decision: Decision, customer: Option<CustomerId>, gate: Arc<Gate>) -> Self {
        Self(Arc::new(Facts {
            decision,
            customer,
            gate,
        }))
    }

    /// The decision. Where a handler sees another than `Allow`, the paywall only observes.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        &self.0.decision
    }

    /// The customer that the request is from; `None` where it showed none.
    #[must_use]
    pub fn customer(&self) -> Option<&CustomerId> {
        self.0.customer.as_ref()
    }

    /// The customer's tier, if they were allowed to pass.
    #[must_use]
    pub fn tier(&self) -> Option<&Tier> {
        match &self.0.decision {
            Decision::Allow(tier) => Some(tier),
            Decision::Deny(_) | Decision::Unknown(_) => None,
        }
    }

    /// The lowest tier that could pass.
    #[must_use]
    pub fn required_tier(&self) -> &Tier {
        self.0.gate.required_tier()
    }
}
