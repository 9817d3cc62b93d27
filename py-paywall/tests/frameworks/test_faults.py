"""Whatever fails, and behind whichever framework: the handler does not run, and the next customer is served."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from frameworks.servers import served
from frameworks.skins import FREE, HEADER, PAID, SKINS, opened, over_asgi, vector

from conftest import SqliteMirror

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from frameworks.skins import Skin

#: Seconds in which every refusal must have come, on whatever machine: a mirror has one.
BOUND = 8.0

every_skin = pytest.mark.parametrize("skin", SKINS, ids=lambda skin: skin.__name__)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "py_paywall")


def loose(table: SqliteMirror) -> None:
    """A table of somebody's own making, with the row of somebody who paid."""
    table.make_loose()
    table.put("ada")


def cell(column: str, value: str | None) -> Callable[[SqliteMirror], object]:
    def spoil(table: SqliteMirror) -> None:
        table.execute(f"update billing_subscription_mirror set {column} = ?", value)

    return spoil


def without_table(table: SqliteMirror) -> None:
    table.execute("drop table billing_subscription_mirror")


def without_column(table: SqliteMirror) -> None:
    table.execute("alter table billing_subscription_mirror drop column status")


def without_row(table: SqliteMirror) -> None:
    table.execute("delete from billing_subscription_mirror")


def without_database(table: SqliteMirror) -> None:
    table.path.write_bytes(b"no database" * 1000)


FAULTS: dict[str, tuple[Callable[[SqliteMirror], object], str]] = {
    "missing row": (without_row, "no_row"),
    "unknown status": (cell("status", "ACTIVE"), "mirror_row_malformed"),
    "null status": (cell("status", None), "mirror_row_malformed"),
    "null tier": (cell("plan_tier", None), "mirror_row_malformed"),
    "null period end": (cell("current_period_end", None), "period_over"),
    "null version": (cell("updated_at", None), "mirror_row_malformed"),
    "unknown tier": (cell("plan_tier", "gold"), "mirror_row_malformed"),
    "missing table": (without_table, "mirror_unavailable"),
    "missing column": (without_column, "mirror_unavailable"),
    "dead database": (without_database, "mirror_unavailable"),
}


@every_skin
@pytest.mark.parametrize("fault", FAULTS)
def test_the_handler_does_not_run_and_the_next_customer_is_served(table: SqliteMirror, skin: Skin, fault: str) -> None:
    spoil, decision = FAULTS[fault]
    loose(table)
    good = table.path.read_bytes()
    with opened(skin, table.url) as site:
        spoil(table)
        began = time.monotonic()
        answer = site.get()
        assert time.monotonic() - began < BOUND
        assert (site.calls, answer) == ([], vector(decision))
        assert site.get(FREE).status == 200
        table.path.write_bytes(good)
        assert (site.get().status, len(site.calls)) == (200, 1)


#: Another process, because locks of files are a process's: a second SQLite in this one would not be stopped by them.
HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("begin exclusive")
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def hung(table: SqliteMirror) -> Iterator[None]:
    """Nobody gets to read while this holds."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(table.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            holder.stdin.close()
            holder.wait(30)


@every_skin
def test_a_database_that_hangs_is_not_waited_for(table: SqliteMirror, skin: Skin) -> None:
    loose(table)
    with opened(skin, table.url) as site:
        with hung(table):
            began = time.monotonic()
            answer = site.get()
            assert time.monotonic() - began < BOUND
            assert (site.calls, answer) == ([], vector("mirror_timed_out"))
        assert (site.get().status, len(site.calls)) == (200, 1)


@every_skin
@pytest.mark.parametrize("answers", [True, False], ids=["hanging server", "dead server"])
def test_a_server_that_does_not_answer_is_not_waited_for(skin: Skin, answers: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not answers:
            server.close()
        with opened(skin, f"postgresql://app@127.0.0.1:{port}/app") as site:
            began = time.monotonic()
            answer = site.get()
            assert time.monotonic() - began < BOUND
            assert (site.calls, answer) == ([], vector("mirror_timed_out"))
            assert site.get(FREE).status == 200


def raising(customer: str | None) -> str | None:
    if customer == "bad":
        raise LookupError("no such session")
    return customer


def odd(customer: str | None) -> Any:
    return 42 if customer == "bad" else customer


def nobody(customer: str | None) -> str | None:
    return None if customer == "bad" else customer


@every_skin
@pytest.mark.parametrize(
    ("identity", "decision"), [(raising, "gate_panicked"), (odd, "gate_panicked"), (nobody, "no_identity")]
)
def test_an_identity_that_fails_lets_nobody_in(table: SqliteMirror, skin: Skin, identity: Any, decision: str) -> None:
    table.put("ada")
    with opened(skin, table.url, identity) as site:
        assert (site.get(customer="bad"), site.calls) == (vector(decision), [])
        assert (site.get().status, len(site.calls)) == (200, 1)


@every_skin
def test_nobody_is_not_let_in(table: SqliteMirror, skin: Skin) -> None:
    with opened(skin, table.url) as site:
        for customer in (None, "", "with space", "a" * 256):
            assert (site.get(customer=customer), site.calls) == (vector("no_identity"), [])


# Django leaves the body of a request that was cancelled to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*SpooledTemporaryFile:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "skin", [skin for skin in SKINS if "wsgi" not in skin.__name__ and "flask" not in skin.__name__],
    ids=lambda skin: skin.__name__,
)  # fmt: skip
def test_a_request_that_is_cancelled_reaches_no_handler(table: SqliteMirror, skin: Skin) -> None:
    loose(table)
    with opened(skin, table.url) as site:

        async def cancel() -> None:
            request = asyncio.ensure_future(over_asgi(site.app, PAID, {HEADER: "ada"}))
            await asyncio.sleep(0.1)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request

        assert site.loop is not None
        with hung(table):
            for _ in range(3):
                site.loop.run_until_complete(cancel())
            # Django leaves tasks of a cancelled request to go on: until the mirror has not answered.
            site.loop.run_until_complete(asyncio.sleep(1.5))
        assert site.calls == []
        assert (site.get().status, len(site.calls)) == (200, 1)
    gc.collect()


@every_skin
def test_a_client_that_is_gone_reaches_no_handler(table: SqliteMirror, skin: Skin) -> None:
    loose(table)
    with opened(skin, table.url) as site, served(site.app, is_async=site.is_async) as server:
        with hung(table):
            for _ in range(3):
                with server.connect() as client:
                    client.sendall(f"GET {PAID} HTTP/1.1\r\nHost: x\r\n{HEADER}: ada\r\n\r\n".encode())
                    time.sleep(0.1)
            time.sleep(1.5)
        time.sleep(0.2)
        assert site.calls == []
        assert server.get(PAID, {HEADER: "ada"})[0] == 200
        assert len(site.calls) == 1


@every_skin
def test_many_at_once_are_refused_while_the_database_hangs(table: SqliteMirror, skin: Skin) -> None:
    loose(table)
    with opened(skin, table.url) as site, served(site.app, is_async=site.is_async) as server:
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda: statuses.append(server.get(PAID, {HEADER: "ada"})[0])) for _ in range(8)
        ]
        with hung(table):
            began = time.monotonic()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            assert time.monotonic() - began < BOUND
        assert (statuses, site.calls) == ([402] * 8, [])
        assert server.get(PAID, {HEADER: "ada"})[0] == 200


def test_a_panic_of_the_native_code_keeps_every_gate_closed(table: SqliteMirror) -> None:
    package = os.environ.get("PY_PAYWALL_FAILPOINTS")
    if not package:
        pytest.skip("PY_PAYWALL_FAILPOINTS names no py_paywall that was built to panic: `cargo xtask test` builds it")
    table.put("ada")
    tests = Path(__file__).parents[1]
    paths = [package, str(tests)]
    run = subprocess.run(
        [sys.executable, "-W", "error", str(tests / "frameworks" / "panics.py"), table.url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert len(told) == len(SKINS) * 4
    for name, (status, body, calls, next_status) in told.items():
        expected = vector("no_row" if name.endswith("route") else "gate_panicked")
        assert (status, body, calls, next_status) == (expected.status, expected.body.decode(), 0, 200), name
