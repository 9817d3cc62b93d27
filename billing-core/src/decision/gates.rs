//! The gates of an application, and which of them stands before a path. Every skin asks here.

use std::sync::Arc;

use super::{Gate, Requirement, Routes};
use crate::catalogue::NotAPaidTier;

/// A gate for every tier that an application's routes ask for.
#[derive(Debug, Clone)]
pub struct RoutedGates {
    /// The lowest tier first; never empty.
    gates: Arc<[Arc<Gate>]>,
    routes: Arc<Routes>,
}

impl RoutedGates {
    /// One gate before every path.
    #[must_use]
    pub fn everywhere(gate: Gate) -> Self {
        let routes = Routes::gated_by_default(gate.required_tier().clone());
        Self {
            routes: Arc::new(routes.within(gate.tiers().clone())),
            gates: Arc::new([Arc::new(gate)]),
        }
    }

    /// The same gates before other routes. The routes say which tier; the order of tiers, the
    /// leeway, the upgrade URL and the answer for unknown stay the gates'.
    ///
    /// # Errors
    /// [`NotAPaidTier`] when a route asks for a tier that is not in the gates' order or is its
    /// lowest.
    pub fn with_routes(&self, routes: Routes) -> Result<Self, NotAPaidTier> {
        let gate = &self.gates[0];
        let mut gates = vec![Arc::clone(gate)];
        for tier in routes.required_tiers() {
            gates.push(Arc::new(gate.for_tier(tier.clone())?));
        }
        gates.sort_by_key(|gate| gate.tiers().rank(gate.required_tier()));
        Ok(Self {
            routes: Arc::new(routes.within(gate.tiers().clone())),
            gates: gates.into(),
        })
    }

    /// The gate before a path; `None` for an exempt one. What the arguments are:
    /// [`Routes::requirement`].
    #[must_use]
    pub fn gate(
        &self,
        path: &str,
        raw_path: Option<&str>,
        mount: Option<&str>,
    ) -> Option<&Arc<Gate>> {
        match self.routes.requirement(path, raw_path, mount) {
            Requirement::Exempt => None,
            Requirement::Tier(tier) => {
                let gate = self.gates.iter().find(|gate| gate.required_tier() == tier);
                // Every tier of the routes has its gate. Were one missing, the strictest stands
                // in: nothing here may open.
                Some(gate.unwrap_or_else(|| self.strictest()))
            }
        }
    }

    /// The gate for the highest tier: what stands in where nobody can say which one should.
    #[must_use]
    pub fn strictest(&self) -> &Arc<Gate> {
        &self.gates[self.gates.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Tier;

    #[test]
    fn a_path_has_the_gate_of_its_tier_and_an_exempt_one_none() {
        let [pro, pro_plus] = ["pro", "pro_plus"].map(|tier| Tier::parse(tier).unwrap());
        let routes = Routes::gated_by_default(pro.clone())
            .gate("/export/*", pro_plus.clone())
            .and_then(|routes| routes.exempt("/health"))
            .unwrap();
        let gates = RoutedGates::everywhere(Gate::new(pro.clone()).unwrap());
        let gates = gates.with_routes(routes).unwrap();
        let before = |path| {
            gates
                .gate(path, None, None)
                .map(|gate| gate.required_tier())
        };
        assert_eq!(before("/health"), None);
        assert_eq!(before("/reports"), Some(&pro));
        assert_eq!(before("/export/all"), Some(&pro_plus));
        // A request line may hold a whole URL.
        let url = "https://app.example.com/export/all?page=2";
        assert_eq!(before(url), Some(&pro_plus));
        assert_eq!(before("https://app.example.com"), Some(&pro));
        assert_eq!(gates.strictest().required_tier(), &pro_plus);
    }
}
