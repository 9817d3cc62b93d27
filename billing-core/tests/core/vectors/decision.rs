use billing_core::catalogue::{Tier, TierOrder};
use billing_core::decision::{Decision, DenyReason, Gate, Problem, Protocol, decide};
use billing_core::mirror::{MirrorError, MirrorRow, MirrorTime, UnverifiedRow};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Vectors;

#[derive(Deserialize)]
struct Input {
    gate: GateInput,
    now: String,
    row: Option<UnverifiedRow>,
    mirror_error: Option<String>,
    identity: Option<bool>,
}

#[derive(Deserialize)]
struct GateInput {
    required_tier: String,
    tiers: Option<Vec<String>>,
    leeway_seconds: Option<i64>,
    #[serde(default)]
    unknown_is_503: bool,
    upgrade_url: Option<String>,
}

pub(super) fn tiers(names: Option<Vec<String>>) -> TierOrder {
    let order = names.map(|names| {
        TierOrder::new(names.into_iter().map(|name| Tier::parse(name).unwrap())).unwrap()
    });
    order.unwrap_or_default()
}

impl GateInput {
    fn build(self) -> Option<Gate> {
        let required = Tier::parse(self.required_tier).unwrap();
        let mut gate = Gate::within(tiers(self.tiers), required).ok()?;
        if let Some(seconds) = self.leeway_seconds {
            gate = gate.with_leeway(SignedDuration::from_secs(seconds));
        }
        if let Some(url) = self.upgrade_url {
            gate = gate.with_upgrade_url(url);
        }
        if self.unknown_is_503 {
            gate = gate.with_503_for_unknown();
        }
        Some(gate)
    }
}

fn answer(input: Input) -> Value {
    let Some(gate) = input.gate.build() else {
        return json!({ "error": "not_a_paid_tier" });
    };
    let row = match input.mirror_error.as_deref() {
        None => input.row.map(MirrorRow::try_from).transpose(),
        Some("unavailable") => return told(&Decision::Unknown(MirrorError::Unavailable), &gate),
        Some("timed_out") => return told(&Decision::Unknown(MirrorError::TimedOut), &gate),
        Some("panicked") => return told(&Decision::Unknown(MirrorError::Panicked), &gate),
        Some(other) => panic!("no such error: {other}"),
    };
    if input.identity == Some(false) {
        return told(&Decision::Deny(DenyReason::NoIdentity), &gate);
    }
    let now = MirrorTime::parse(&input.now).unwrap().timestamp();
    told(&decide(&row.map_err(MirrorError::from), &gate, now), &gate)
}

fn told(decision: &Decision, gate: &Gate) -> Value {
    let code = decision.code();
    if let Decision::Allow(tier) = decision {
        assert!(decision.is_allow());
        assert_eq!(decision.problem(gate, Protocol::Http), None);
        assert_eq!(decision.problem(gate, Protocol::Grpc), None);
        return json!({ "decision": code, "tier": tier });
    }
    assert!(!decision.is_allow());
    let answer = |protocol| {
        let Problem {
            status,
            headers,
            body,
        } = decision.problem(gate, protocol).unwrap();
        json!({ "status": status, "headers": headers, "body": String::from_utf8(body).unwrap() })
    };
    json!({ "decision": code, "http": answer(Protocol::Http), "grpc": answer(Protocol::Grpc) })
}

#[test]
fn requests_are_decided_and_answered_as_the_vectors_say_p1_p2_p3() {
    Vectors::<Input>::read("decision.json").check(answer);
}

#[test]
fn a_leeway_of_any_size_overflows_nothing_p1() {
    let gate = Gate::new(Tier::parse("pro").unwrap()).unwrap();
    let row = MirrorRow::try_from(UnverifiedRow {
        queue_customer_id: "user-17".to_owned(),
        plan_tier: "pro".to_owned(),
        status: "active".to_owned(),
        current_period_end: Some("1970-01-01 00:00:00.000000".to_owned()),
        updated_at: "2010-01-01 00:00:00.000000".to_owned(),
    });
    let now = MirrorTime::parse("2027-01-15 08:00:00.000000").unwrap();
    let row = Ok(row.ok());
    for (leeway, allows) in [(SignedDuration::MAX, true), (SignedDuration::MIN, false)] {
        let gate = gate.clone().with_leeway(leeway);
        assert_eq!(decide(&row, &gate, now.timestamp()).is_allow(), allows);
    }
}

#[test]
fn grpc_is_told_by_the_content_type_p2() {
    for (content_type, protocol) in [
        (Some("application/grpc"), Protocol::Grpc),
        (Some("application/grpc+proto"), Protocol::Grpc),
        (Some("Application/GRPC;charset=utf-8"), Protocol::Grpc),
        (Some("application/json"), Protocol::Http),
        (Some("application/gr"), Protocol::Http),
        (Some(""), Protocol::Http),
        (None, Protocol::Http),
    ] {
        let told = Protocol::of_content_type(content_type.map(str::as_bytes));
        assert_eq!(told, protocol, "{content_type:?}");
    }
}

#[test]
fn a_gate_for_another_tier_differs_in_nothing_else_p1() {
    let order = || tiers(Some(["none", "basic", "gold"].map(str::to_owned).into()));
    let tier = |name| Tier::parse(name).unwrap();
    let gate_for = |name| {
        let gate = Gate::within(order(), tier(name)).unwrap();
        let gate = gate.with_leeway(SignedDuration::from_hours(1));
        gate.with_upgrade_url("https://example.com/plans")
            .with_503_for_unknown()
    };
    let gate = gate_for("basic").for_tier(tier("gold")).unwrap();
    assert_eq!(format!("{gate:?}"), format!("{:?}", gate_for("gold")));
    assert_eq!(*gate.required_tier(), tier("gold"));
    assert_eq!(*gate.tiers(), order());
    assert!(gate.for_tier(tier("none")).is_err());
}
