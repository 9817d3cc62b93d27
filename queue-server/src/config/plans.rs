//! The plans that are sold: each paid tier with the price that buys it.

use billing_core::catalogue::Tier;
use billing_core::id::PriceId;

/// What customers can subscribe to, the cheapest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plans {
    /// What everyone has without paying.
    pub free: Option<Tier>,
    /// The tiers that are paid for.
    pub paid: Vec<Plan>,
}

/// A tier that is sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which tier.
    pub plan_tier: Tier,
    /// The price that new subscriptions are sold at: the first that is configured. Others are older ones.
    pub price: PriceId,
}

impl Plans {
    /// The plan of a tier, if it is sold.
    #[must_use]
    pub fn of(&self, tier: &str) -> Option<&Plan> {
        self.paid
            .iter()
            .find(|plan| plan.plan_tier.as_str() == tier)
    }
}
