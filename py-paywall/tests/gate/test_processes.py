"""The end of the interpreter, panics: in processes of their own."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from conftest import SqliteMirror
from programs import run


@pytest.mark.parametrize("end", ["return", "sys.exit(0)", "os.kill(os.getpid(), signal.SIGINT)"])
def test_the_interpreter_ends_with_calls_in_flight(end: str) -> None:
    program = f"""
        import asyncio, contextlib, os, signal, socket, sys, threading
        from py_paywall import Mirror

        silent = socket.create_server(("127.0.0.1", 0))
        mirror = Mirror.connect(f"postgresql://app@127.0.0.1:{{silent.getsockname()[1]}}/app", timeout=30)
        for _ in range(4):
            threading.Thread(target=mirror.decide, args=("ada", "pro"), daemon=True).start()

        async def ask():
            futures = [mirror.adecide("ada", "pro") for _ in range(100)]
            await asyncio.sleep(0.1)
            {end}

        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(ask())
        print("the end")
    """
    began = time.monotonic()
    told = run(program)
    assert told == ("" if end.startswith("sys") else "the end\n")
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("point", ["read", "decide", "problem", "route"])
def test_a_panic_is_an_answer_that_keeps_the_gate_closed_p2(table: SqliteMirror, point: str) -> None:
    folder = os.environ.get("PY_PAYWALL_FAILPOINTS")
    if not folder:
        pytest.skip("PY_PAYWALL_FAILPOINTS names no package that can panic: `cargo xtask test` builds one")
    table.put("ada")
    table.put("eve", status="past_due")
    program = """
        import asyncio, os, sys
        from py_paywall import Mirror, Paywall
        mirror = Mirror.connect(sys.argv[1])
        paywall = Paywall(mirror, default_tier="pro", gate={"/plus/**": "pro_plus"}, exempt=["/health"])

        def outcome(path, customer):
            gate = paywall.before(path)
            if gate is None:
                return "exempt"
            decision = paywall.decide(gate, lambda: customer)
            awaited = asyncio.run(paywall.adecide(gate, lambda: customer))
            assert decision == awaited, (decision, awaited)
            problem = paywall.refusal(decision, gate)
            return "handled" if problem is None else f"{problem.status} {decision.code} {gate.required_tier}"

        print(outcome("/health", None), outcome("/reports", "ada"), outcome("/reports", "eve"), sep="|")
        del os.environ["PY_PAYWALL_PANIC_AT"]
        os.unsetenv("PY_PAYWALL_PANIC_AT")
        print(outcome("/health", None), outcome("/reports", "ada"), outcome("/reports", "eve"), sep="|")
    """
    told = run(program, table.url, PYTHONPATH=folder, PY_PAYWALL_PANIC_AT=point).splitlines()
    closed = "402 gate_panicked pro"
    assert told == [
        {
            "read": f"exempt|{closed}|{closed}",
            "decide": f"exempt|{closed}|{closed}",
            "problem": "exempt|handled|402 not_entitled pro",
            # Nobody can say which gate: the strictest stands in, also before what is exempt.
            "route": "401 no_identity pro_plus|402 tier_too_low pro_plus|402 not_entitled pro_plus",
        }[point],
        "exempt|handled|402 not_entitled pro",
    ]
    assert Path(folder, "py_paywall").is_dir()
