//! What a seller decides: grace, pauses, which events are theirs.

use crate::catalogue::Catalogue;

/// How long a customer whose payment failed keeps access (A3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GracePolicy {
    /// Days from the first failure to the end of access; at least 1.
    pub period_days: u32,
    /// The failed attempt that ends access at once; 0: days only.
    pub failed_attempts: u32,
}

impl Default for GracePolicy {
    fn default() -> Self {
        Self {
            period_days: 7,
            failed_attempts: 2,
        }
    }
}

/// The seller's choices, fixed while the process runs.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Tiers and prices.
    pub catalogue: Catalogue,
    /// Grace after failed payments.
    pub grace: GracePolicy,
    /// Whether `pause_collection` closes access (A2). Stripe itself leaves that to the seller.
    pub pause_collection_closes: bool,
    /// Events of the other mode are set aside, where this is set (E3).
    pub livemode: Option<bool>,
    /// Events of other accounts are set aside, where this is set (E3).
    pub account: Option<String>,
    /// Whether somebody looks at what is marked through Stripe's API (O4). Where nobody does, what matters for revenue alone
    /// is not marked: no mark would ever go.
    pub looks: bool,
}

impl Policy {
    /// The defaults with a catalogue.
    #[must_use]
    pub fn new(catalogue: Catalogue) -> Self {
        Self {
            catalogue,
            grace: GracePolicy::default(),
            pause_collection_closes: true,
            livemode: None,
            account: None,
            looks: true,
        }
    }
}
