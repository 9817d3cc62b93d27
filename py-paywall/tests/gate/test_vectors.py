"""The vectors that the Rust side answers too: decisions, denials byte for byte, paths."""

from __future__ import annotations

import json
from typing import Any

import pytest

from py_paywall import Decision, Gate
from py_paywall._native import Gates, decide_row

from conftest import REPOSITORY


def cases(name: str) -> list[Any]:
    vectors = json.loads((REPOSITORY / "conformance/vectors" / name).read_text())["cases"]
    assert len(vectors) > 20
    return [pytest.param(case["input"], case["expected"], id=case["name"]) for case in vectors]


def told(decision: Decision, gate: Gate) -> dict[str, Any]:
    """What a decision and its denials are, as the vectors write it."""

    def answer(content_type: bytes | None) -> dict[str, Any]:
        problem = decision.problem(gate, content_type)
        assert problem is not None
        headers = [list(header) for header in problem.headers]
        return {"status": problem.status, "headers": headers, "body": problem.body.decode()}

    if decision.allowed:
        assert decision.problem(gate) is None
        return {"decision": decision.code, "tier": decision.tier}
    return {"decision": decision.code, "http": answer(None), "grpc": answer(b"application/grpc")}


@pytest.mark.parametrize(("given", "expected"), cases("path.json"))
def test_paths_ask_for_what_the_vectors_say_p4(given: dict[str, Any], expected: dict[str, Any]) -> None:
    routes = given["routes"]
    tiers = routes.get("tiers") or ["free", "pro", "pro_plus"]
    try:
        gates = Gates(
            Gate(tiers[1], tiers=tiers),
            default_tier=routes.get("default"),
            gated=[(pattern, tier) for pattern, tier in routes.get("gate", [])],
            exempt=routes.get("exempt", []),
        )
    except ValueError:
        assert expected == {"error": "invalid_pattern"}
        return
    for raw_path in {given.get("raw_path"), (given.get("raw_path") or "").encode() or None}:
        gate = gates.before(given["path"], raw_path, given.get("mount"))
        assert expected == ({"exempt": True} if gate is None else {"tier": gate.required_tier})


@pytest.mark.parametrize(("given", "expected"), cases("decision.json"))
def test_requests_are_decided_and_answered_as_the_vectors_say_p1_p2_p3(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    options = dict(given["gate"])
    try:
        gate = Gate(options.pop("required_tier"), **options)
    except ValueError:
        assert expected == {"error": "not_a_paid_tier"}
        return
    if given.get("identity") is False:
        decision = Decision.no_identity(gate)
    elif given.get("mirror_error"):
        # The answer is the same whatever failed: which of them it was stays in the process.
        decision = Decision.failed(gate)
        expected = {**expected, "decision": "gate_panicked"}
    else:
        decision = decide_row(json.dumps(given["row"]), gate, given["now"])
    assert told(decision, gate) == expected
