use billing_core::catalogue::Tier;
use billing_core::decision::{InvalidPattern, Requirement, Routes};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Vectors;
use super::decision::tiers;

#[derive(Deserialize)]
struct Input {
    routes: RoutesInput,
    path: String,
    raw_path: Option<String>,
    mount: Option<String>,
}

#[derive(Deserialize)]
struct RoutesInput {
    default: Option<String>,
    #[serde(default)]
    gate: Vec<(String, String)>,
    #[serde(default)]
    exempt: Vec<String>,
    tiers: Option<Vec<String>>,
}

impl RoutesInput {
    fn build(self) -> Result<Routes, InvalidPattern> {
        let tier = |name: String| Tier::parse(name).unwrap();
        let routes = match self.default {
            Some(default) => Routes::gated_by_default(tier(default)),
            None => Routes::open_by_default(),
        };
        let mut routes = routes.within(tiers(self.tiers));
        for (pattern, gated_for) in self.gate {
            routes = routes.gate(&pattern, tier(gated_for))?;
        }
        for pattern in self.exempt {
            routes = routes.exempt(&pattern)?;
        }
        Ok(routes)
    }
}

fn answer(input: Input) -> Value {
    let Ok(routes) = input.routes.build() else {
        return json!({ "error": "invalid_pattern" });
    };
    let (raw_path, mount) = (input.raw_path.as_deref(), input.mount.as_deref());
    match routes.requirement(&input.path, raw_path, mount) {
        Requirement::Exempt => json!({ "exempt": true }),
        Requirement::Tier(tier) => json!({ "tier": tier }),
    }
}

#[test]
fn paths_are_gated_as_the_vectors_say_p4() {
    Vectors::<Input>::read("path.json").check(answer);
}
