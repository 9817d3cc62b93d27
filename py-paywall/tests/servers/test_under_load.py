"""Real servers under load from wrk while the mirror flips: no wrong answer, and no handler for whoever is refused.

See `flips.py` for what is wrong. `-s` shows the counts.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servers import handled, load, mirrors
from servers.flips import CONSTANT, Checker, Flipper
from servers.mirrors import Mirror
from servers.web_server import WebServer

from conftest import SqliteMirror

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="neither wrk nor gunicorn runs on Windows")

SECONDS = 2
_UVICORN = ["uvicorn", "{app}:app", "--host", "{host}", "--port", "{port}", "--log-level", "warning"]
_GUNICORN = ["gunicorn", "{app}:app", "--bind", "{host}:{port}", "--log-level", "warning", "--no-control-socket"]
_GRANIAN = ["granian", "{app}:app", "--host", "{host}", "--port", "{port}", "--log-level", "warning"]
_HYPERCORN = ["hypercorn", "{app}:app", "--bind", "{host}:{port}", "--log-level", "warning"]

#: Each server: its command, what it serves, the database of the mirror.
SERVERS = {
    "uvicorn": ([*_UVICORN, "--loop", "asyncio"], "servers.asgi_app", "sqlite"),
    "uvicorn, uvloop": ([*_UVICORN, "--loop", "uvloop"], "servers.asgi_app", "postgres"),
    "uvicorn, uvloop, 2 workers": ([*_UVICORN, "--loop", "uvloop", "--workers", "2"], "servers.asgi_app", "sqlite"),
    "granian": ([*_GRANIAN, "--interface", "asgi", "--workers", "2"], "servers.asgi_app", "postgres"),
    "granian, WSGI": ([*_GRANIAN, "--interface", "wsgi", "--blocking-threads", "4"], "servers.wsgi_app", "sqlite"),
    "hypercorn, 2 workers": ([*_HYPERCORN, "--workers", "2"], "servers.asgi_app", "sqlite"),
    "gunicorn, sync": ([*_GUNICORN, "--workers", "2"], "servers.wsgi_app", "postgres"),
    "gunicorn, sync, preload": ([*_GUNICORN, "--workers", "2", "--preload"], "servers.wsgi_app", "sqlite"),
    "gunicorn, gthread": ([*_GUNICORN, "--workers", "2", "--threads", "4"], "servers.wsgi_app", "sqlite"),
    "gunicorn, gthread, preload": (
        [*_GUNICORN, "--workers", "2", "--threads", "4", "--preload"], "servers.wsgi_app", "postgres",
    ),
    "gunicorn, uvicorn's worker, preload": (
        [*_GUNICORN, "--workers", "2", "--preload", "--worker-class", "uvicorn.workers.UvicornWorker"],
        "servers.asgi_app", "postgres",
    ),
}  # fmt: skip


@pytest.fixture
def mirror(request: pytest.FixtureRequest, table: SqliteMirror) -> Iterator[Mirror]:
    """A mirror in the database that the test names."""
    if request.param == "sqlite":
        with mirrors.in_sqlite(table) as mirror:
            yield mirror
    else:
        with mirrors.in_postgres(request.getfixturevalue("postgres_url")) as mirror:
            yield mirror


def serve(command: list[str], app: str, mirror: Mirror, folder: Path) -> WebServer:
    handled_folder = folder / "handled"
    handled_folder.mkdir()
    environment = {"MIRROR_DATABASE_URL": mirror.url, "HANDLED_FOLDER": str(handled_folder)}
    if "--preload" in command:
        environment["MIRROR_USED_AT_IMPORT"] = "1"
    return WebServer(command, app, folder, environment)


def judge(name: str, flipper: Flipper, checker: Checker, summary: load.Summary, server: WebServer) -> None:
    """Nothing is wrong, and all of it did happen."""
    wrong = [seen for seen in checker.seen if not flipper.explains(seen)]
    handled_folder = server.log.with_name("handled")
    calls = {customer: handled.counted(handled_folder, customer) for customer in ("ada", "bob", "eve")}
    told = Counter((seen.customer, seen.status) for seen in checker.seen)
    print(
        f"\n{name}: {summary.requests} requests by wrk {summary.statuses}, errors {summary.errors}; "
        f"{len(checker.seen)} by the checker {dict(told)}, {checker.cut} cut off; {len(flipper.held)} flips; "
        f"{calls} handled; wrong={len(wrong)}"
    )
    assert not wrong, wrong[:5]
    assert set(summary.statuses) <= {200, 402}
    assert {seen.code for seen in checker.seen if seen.status == 402} == {"payment_required"}
    assert calls["eve"] == 0
    assert {(customer, status) for customer, status in CONSTANT.items()} <= set(told)
    assert {("ada", 200), ("ada", 402)} <= set(told)
    assert min(calls["ada"], calls["bob"]) > 0
    assert sum(calls.values()) >= summary.statuses[200]
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize(("command", "app", "mirror"), SERVERS.values(), ids=SERVERS, indirect=["mirror"])
def test_no_answer_is_wrong_while_the_mirror_flips(
    command: list[str], app: str, mirror: Mirror, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    load.program()
    server = serve(command, app, mirror, tmp_path)
    with server.running(), Flipper(mirror.put) as flipper:
        with Checker(server.port) as checker, load.load(server.port, SECONDS) as summary:
            time.sleep(SECONDS)
        # The last state stays, and is answered.
        time.sleep(0.1)
    judge(request.node.callspec.id, flipper, checker, summary, server)
    assert checker.cut == 0
    assert sum(summary.errors.values()) == 0


@pytest.mark.parametrize("mirror", ["sqlite"], indirect=True)
@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
@pytest.mark.parametrize("threads", [1, 4], ids=["sync", "gthread"])
def test_no_answer_is_wrong_while_workers_are_killed_and_replaced(
    threads: int, preload: bool, mirror: Mirror, tmp_path: Path
) -> None:
    load.program()
    command = [*_GUNICORN, "--workers", "2", "--threads", str(threads), "--graceful-timeout", "5"]
    server = serve([*command, *(["--preload"] if preload else [])], "servers.wsgi_app", mirror, tmp_path)
    with server.running() as process, Flipper(mirror.put) as flipper:
        wait_for(lambda: len(server.workers(process)) == 2)
        first = set(server.workers(process))
        with Checker(server.port) as checker, load.load(server.port, 4) as summary:
            time.sleep(0.7)
            os.kill(min(first), signal.SIGKILL)
            wait_for(lambda: len(set(server.workers(process)) - first) >= 1)
            second = set(server.workers(process))
            time.sleep(0.7)
            process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(set(server.workers(process)) - first - second) >= 2)
            wait_for(lambda: not set(server.workers(process)) & (first | second))
            # None but the new ones is left, and they answer.
            marker = time.monotonic()
            wait_for(lambda: sum(seen.start > marker for seen in checker.seen) >= 20)
    judge(f"gunicorn, {threads} threads, {preload=}, workers replaced", flipper, checker, summary, server)
    # What was cut off is what the killed worker was at, and a connection that the others had kept.
    assert checker.cut < 20


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
