//! Which paths are gated, and for which tier (P4).
//!
//! A framework may route on another spelling of a path than the one that a gate looked at, and
//! every difference is a way past the gate. So a path is looked at in every spelling that a
//! framework could route on: as given and percent-decoded once, with dot segments kept and
//! resolved, with a backslash as a character and as a slash, with and without the mount prefix;
//! slashes collapsed and letters in lower case in all of them. Each spelling asks for the tier that
//! gates it, or else for the default; the highest counts. A path is exempt only if all spellings
//! are, and the path as routed is *exactly*: most routers take `/HEALTH`, `/health/` or `//health`
//! for another route than `/health` (and `/health/` is exempt where the pattern ends so). A path that can't be decoded asks for the most that any does.
//!
//! A pattern is a path in which `*` stands for one segment and a final `**` for any number of
//! them, none included: `/reports/**` covers `/reports`, `/reports/` and all below.
//!
//! ```
//! use billing_core::catalogue::Tier;
//! use billing_core::decision::{Requirement, Routes};
//!
//! let pro = Tier::parse("pro")?;
//! let routes = Routes::gated_by_default(pro.clone()).exempt("/health")?;
//! assert_eq!(routes.requirement("/health", None, None), Requirement::Exempt);
//! assert_eq!(routes.requirement("/health/../reports", None, None), Requirement::Tier(&pro));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod pattern;
mod spelling;

use crate::catalogue::{Tier, TierOrder};
use pattern::{Case, Pattern};
use spelling::{Plain, Segments, as_routed, places};

/// A pattern that can't match what its author means.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the pattern {0:?} is not a path: it begins with /, has ** only at its end, and no %, ?, # or dot segment"
)]
pub struct InvalidPattern(pub String);

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement<'a> {
    /// Nothing: everyone may pass.
    Exempt,
    /// At least this tier.
    Tier(&'a Tier),
}

/// Which paths are gated.
#[derive(Debug, Clone)]
pub struct Routes {
    tiers: TierOrder,
    /// What paths ask for that no pattern gates; none: nothing.
    default_tier: Option<Tier>,
    gated: Vec<(Pattern, Tier)>,
    exempt: Vec<Pattern>,
}

impl Routes {
    /// Everything is gated for this tier, but for what is exempt or gated for another.
    #[must_use]
    pub fn gated_by_default(tier: Tier) -> Self {
        Self {
            tiers: TierOrder::default(),
            default_tier: Some(tier),
            gated: Vec::new(),
            exempt: Vec::new(),
        }
    }

    /// Nothing is gated but for what a pattern gates.
    #[must_use]
    pub fn open_by_default() -> Self {
        Self {
            tiers: TierOrder::default(),
            default_tier: None,
            gated: Vec::new(),
            exempt: Vec::new(),
        }
    }

    /// The same routes under another order of tiers.
    #[must_use]
    pub fn within(self, tiers: TierOrder) -> Self {
        Self { tiers, ..self }
    }

    /// The same routes with paths gated for a tier. Of several patterns that a path matches, the
    /// highest tier counts, and gating wins over exempting.
    ///
    /// # Errors
    /// [`InvalidPattern`] when the pattern is none.
    pub fn gate(mut self, pattern: &str, tier: Tier) -> Result<Self, InvalidPattern> {
        self.gated.push((Pattern::parse(pattern)?, tier));
        Ok(self)
    }

    /// The same routes with paths that everyone may pass, unless a pattern gates them. The path
    /// must be spelled as the pattern is: in other letters, with a trailing slash or with anything
    /// percent-encoded (what is not ASCII always is, in most requests) it stays gated.
    ///
    /// # Errors
    /// [`InvalidPattern`] when the pattern is none.
    pub fn exempt(mut self, pattern: &str) -> Result<Self, InvalidPattern> {
        self.exempt.push(Pattern::parse(pattern)?);
        Ok(self)
    }

    /// The tiers that any path asks for.
    pub fn required_tiers(&self) -> impl Iterator<Item = &Tier> {
        self.default_tier
            .iter()
            .chain(self.gated.iter().map(|(_, tier)| tier))
    }

    /// What a path asks for.
    ///
    /// `path` is the path as routed, without a query; `raw_path` the path of the request line where it differs,
    /// `mount` the prefix under which the application is mounted, where it is.
    #[must_use]
    pub fn requirement(
        &self,
        path: &str,
        raw_path: Option<&str>,
        mount: Option<&str>,
    ) -> Requirement<'_> {
        if let Some(plain) = Plain::of(path, raw_path, mount) {
            let exempt = self.exempts(&plain, Case::Kept);
            return of_tier(self.asked_at(&[plain], exempt));
        }
        let Some(places) = places(path, raw_path, mount) else {
            return self.undecodable();
        };
        let exempt = self.exempts_as_routed(path, mount);
        let asked = places
            .iter()
            .filter_map(|place| self.asked_at(place, exempt));
        of_tier(asked.max_by_key(|tier| self.tiers.rank(tier)))
    }

    /// What one place asks for: the highest tier that gates it by any of its names; else the
    /// default, unless it is exempt by all of them.
    fn asked_at(&self, place: &[impl Segments], exempt_as_routed: bool) -> Option<&Tier> {
        let gates = self.gated.iter().filter(|(pattern, _)| {
            place
                .iter()
                .any(|spelling| pattern.matches(spelling, Case::Folded))
        });
        let gated = gates
            .map(|(_, tier)| tier)
            .max_by_key(|tier| self.tiers.rank(tier));
        let exempt = exempt_as_routed
            && place
                .iter()
                .all(|spelling| self.exempts(spelling, Case::Folded));
        gated.or(self.default_tier.as_ref().filter(|_| !exempt))
    }

    /// Whether the path is exempt to a router that folds nothing: to most of them `/HEALTH`,
    /// `/health/` and `//health` are other routes than `/health`, and may be anything.
    fn exempts_as_routed(&self, path: &str, mount: Option<&str>) -> bool {
        as_routed(path, mount).is_some_and(|place| {
            place
                .iter()
                .all(|spelling| self.exempts(spelling, Case::Kept))
        })
    }

    fn exempts(&self, spelling: &impl Segments, case: Case) -> bool {
        self.exempt
            .iter()
            .any(|pattern| pattern.matches(spelling, case))
    }

    /// A path that can't be decoded could be any of ours: it asks for the most that any does.
    fn undecodable(&self) -> Requirement<'_> {
        of_tier(
            self.required_tiers()
                .max_by_key(|tier| self.tiers.rank(tier)),
        )
    }
}

fn of_tier(tier: Option<&Tier>) -> Requirement<'_> {
    tier.map_or(Requirement::Exempt, Requirement::Tier)
}
