"""Forks, the end of the interpreter, panics: in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from conftest import SqliteMirror


def run(program: str, *arguments: str, **environment: str) -> str:
    """What a program prints. It must end by itself, and well."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


FORK = """
    import asyncio, os, sys, threading, warnings
    # Python 3.12 and newer warn of any fork beside a thread: that it must work here all the same is what is tested.
    warnings.simplefilter("ignore", DeprecationWarning)
    from py_paywall import Mirror

    mirror = Mirror.connect(sys.argv[1])
    async def ask():
        return [d.code for d in await asyncio.gather(*(mirror.adecide("ada", "pro") for _ in range(20)))]

    assert mirror.decide("ada", "pro").allowed
    assert asyncio.run(ask()) == ["allow"] * 20
    children = []
    for number in range(6):
        child = os.fork()
        if child == 0:
            ok = mirror.decide("ada", "pro").allowed and asyncio.run(ask()) == ["allow"] * 20
            grandchild = os.fork()
            if grandchild == 0:
                os._exit(0 if mirror.decide("ada", "pro").allowed and asyncio.run(ask()) == ["allow"] * 20 else 1)
            ok = ok and os.waitpid(grandchild, 0)[1] == 0
            os._exit(0 if ok else 1)
        children.append(child)
        assert mirror.decide("ada", "pro").allowed
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    assert asyncio.run(ask()) == ["allow"] * 20
    print("all of them")
"""


def test_a_mirror_that_was_used_before_a_fork_works_in_children_and_parent(table: SqliteMirror) -> None:
    table.put("ada")
    assert run(FORK, table.url) == "all of them\n"


def test_a_mirror_in_postgresql_survives_forks_too(postgres_url: str) -> None:
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "insert into billing_subscription_mirror values ('ada', 'pro', 'active', now() + interval '1 day', now())"
        )
    assert run(FORK, postgres_url) == "all of them\n"


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
