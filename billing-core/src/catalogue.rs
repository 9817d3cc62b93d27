//! Tiers, and which of Stripe's prices buys which.
//!
//! Records keep prices, never tiers: the catalogue may change, and then every row follows it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::PriceId;

/// The longest name of a tier, in characters.
pub const MAX_TIER_LENGTH: usize = 64;

/// The name of a tier, such as `pro`: a lower-case word with digits and underscores, at most 64
/// characters. Clones share it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tier(Arc<str>);

/// Text that is not the name of a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a tier: 1 to 64 lower-case letters, digits or underscores are expected")]
pub struct InvalidTier;

/// An order of tiers that orders nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order of tiers needs at least two, each named once")]
pub struct InvalidTierOrder;

/// A tier that stands in no order of tiers, or is the lowest, which nobody pays for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tier {0} is not one of the paid tiers")]
pub struct NotAPaidTier(pub Tier);

impl Tier {
    /// Takes the name of a tier.
    ///
    /// # Errors
    /// [`InvalidTier`] when the text is no such name.
    pub fn parse(name: impl Into<String>) -> Result<Self, InvalidTier> {
        let name = name.into();
        let valid = (1..=MAX_TIER_LENGTH).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if valid {
            Ok(Self(name.into()))
        } else {
            Err(InvalidTier)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for Tier {
    type Error = InvalidTier;

    fn try_from(name: String) -> Result<Self, InvalidTier> {
        Self::parse(name)
    }
}

impl From<Tier> for String {
    fn from(tier: Tier) -> Self {
        tier.0.as_ref().to_owned()
    }
}

/// All tiers, the lowest first. The lowest is what everyone has without paying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierOrder(Vec<Tier>);

impl Default for TierOrder {
    /// `free` < `pro` < `pro_plus`.
    fn default() -> Self {
        Self(
            ["free", "pro", "pro_plus"]
                .map(|name| Tier(name.into()))
                .to_vec(),
        )
    }
}

impl TierOrder {
    /// Takes tiers in order, the lowest first.
    ///
    /// # Errors
    /// [`InvalidTierOrder`] for fewer than two, or one named twice.
    pub fn new(tiers: impl IntoIterator<Item = Tier>) -> Result<Self, InvalidTierOrder> {
        let tiers: Vec<Tier> = tiers.into_iter().collect();
        let twice = tiers
            .iter()
            .enumerate()
            .any(|(at, tier)| tiers[..at].contains(tier));
        if tiers.len() < 2 || twice {
            Err(InvalidTierOrder)
        } else {
            Ok(Self(tiers))
        }
    }

    /// The lowest tier.
    #[must_use]
    pub fn lowest(&self) -> &Tier {
        &self.0[0]
    }

    /// The highest tier.
    #[must_use]
    pub fn highest(&self) -> &Tier {
        &self.0[self.0.len() - 1]
    }

    /// How many tiers stand below this one; `None` for a tier that is not in the order.
    #[must_use]
    pub fn rank(&self, tier: &Tier) -> Option<usize> {
        self.0.iter().position(|known| known == tier)
    }

    /// Passes on a tier that somebody pays for.
    ///
    /// # Errors
    /// [`NotAPaidTier`] for one that is not in the order or is its lowest.
    pub fn paid(&self, tier: Tier) -> Result<Tier, NotAPaidTier> {
        if self.rank(&tier).is_some_and(|rank| rank > 0) {
            Ok(tier)
        } else {
            Err(NotAPaidTier(tier))
        }
    }
}

/// Which price buys which tier.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    tiers: TierOrder,
    tier_of_price: BTreeMap<PriceId, Tier>,
}

impl Catalogue {
    /// A catalogue of these tiers without any price.
    #[must_use]
    pub fn new(tiers: TierOrder) -> Self {
        Self {
            tiers,
            tier_of_price: BTreeMap::new(),
        }
    }

    /// The same catalogue in which a price buys a tier.
    ///
    /// # Errors
    /// [`NotAPaidTier`] when the tier is unknown or the lowest.
    pub fn with_price(mut self, price: PriceId, tier: Tier) -> Result<Self, NotAPaidTier> {
        let tier = self.tiers.paid(tier)?;
        self.tier_of_price.insert(price, tier);
        Ok(self)
    }

    /// The order of tiers.
    #[must_use]
    pub fn tiers(&self) -> &TierOrder {
        &self.tiers
    }

    /// The tier that a price buys; `None` for a price that we don't know.
    #[must_use]
    pub fn tier_of(&self, price: &PriceId) -> Option<&Tier> {
        self.tier_of_price.get(price)
    }

    /// The highest tier among prices; the lowest of all when none is known (A5).
    pub(crate) fn highest_tier<'a>(
        &'a self,
        prices: impl IntoIterator<Item = &'a PriceId>,
    ) -> &'a Tier {
        prices
            .into_iter()
            .filter_map(|price| self.tier_of(price))
            .max_by_key(|tier| self.tiers.rank(tier))
            .unwrap_or_else(|| self.tiers.lowest())
    }
}
