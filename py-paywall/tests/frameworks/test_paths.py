"""However a path is spelled, what reaches a gated handler was allowed (P4): against the real routers and servers."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from frameworks.servers import Server, served
from frameworks.skins import HEADER, Site
from frameworks.spellings import SPOOFED, spellings
from frameworks.towns import MODES, TOWNS, fastapi, flask, settings_of

from conftest import REPOSITORY, SqliteMirror

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEED = int(os.environ.get("PATHS_SEED", "20260115"))
COUNT = int(os.environ.get("PATHS_COUNT", "800"))
#: How many are sent over the wire, to each server.
WIRED = COUNT // 10

every_town = pytest.mark.parametrize("town", TOWNS, ids=lambda town: town.__name__)
every_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture
def mirror(table: SqliteMirror) -> str:
    table.put("ada", tier="pro_plus")
    table.put("eve", tier="free", status="none", period_end=None)
    return table.url


def ask(site: Site, target: str, customer: str | None, **request: Any) -> tuple[int | str, list[str]]:
    """What came of a request, and which handlers ran."""
    site.calls.clear()
    try:
        status: int | str = site.get(target, customer, **request).status
    except Exception as error:  # A router that chokes serves nobody, and is the same without the paywall.
        status = type(error).__name__
    return status, list(site.calls)


@every_mode
@every_town
@pytest.mark.parametrize("mount", ["", "/app"])
def test_no_spelling_of_a_path_gets_past(mirror: str, town: Any, mode: str, mount: str) -> None:
    _, is_gated = MODES[mode]
    mounted = {("root_path" if town.__name__ in ("starlette", "fastapi", "django_asgi") else "script_name"): mount}
    targets = spellings(SEED, COUNT if not mount else COUNT // 3)
    requests = [(target, SPOOFED[number % len(SPOOFED)]) for number, target in enumerate(targets)]

    # One after the other: Django's settings are the process's.
    bare = town(None, [])
    without = [ask(bare, target, None, headers=headers, **mounted) for target, headers in requests]
    bare.close()

    site = town(settings_of(mode, mirror, mount), [])
    past, refused, reached = [], [], 0
    for (target, headers), unguarded in zip(requests, without, strict=True):
        for customer in ("eve", None) if reached % 10 == 0 else ("eve",):
            _, calls = ask(site, target, customer, headers=headers, **mounted)
            if any(is_gated(name) for name in calls):
                past.append((target, headers, calls))
        guarded = ask(site, target, "ada", headers=headers, **mounted)
        if guarded != unguarded:
            refused.append((target, headers, guarded, unguarded))
        reached += any(is_gated(name) for name in guarded[1])
    for free in ("/health", "/public/logo.png", "/health?x=1"):
        assert ask(site, free, None, **mounted)[1], f"{free} is closed"
    site.close()

    assert not past, f"seed {SEED}: {len(past)} of {len(requests)} got past: {past[:20]}"
    assert not refused, f"seed {SEED}: {len(refused)} were not served to one who paid: {refused[:20]}"
    # The spellings are worth something only if many of them are routed to gated handlers.
    assert reached > len(requests) // 20, f"only {reached} reached"


def test_fastapis_own_root_path_opens_nothing(mirror: str) -> None:
    _, is_gated = MODES["open by default"]
    with pytest.warns(match="root_path"):
        site = fastapi(settings_of("open by default", mirror), [], root_path="/app")
    for target in [*spellings(SEED, 800), "/app/reports", "/app/sub/data", "/app/app/reports"]:
        _, calls = ask(site, target, "eve")
        assert not any(is_gated(name) for name in calls), target
    assert ask(site, "/app/reports", "ada") == (200, ["reports"])
    site.close()


def test_flask_behind_a_dispatcher_is_gated_with_and_without_its_prefix(mirror: str) -> None:
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    for pattern in ("/reports/**", "/shop/reports/**"):
        inner = flask({"mirror": mirror, "default_tier": None, "gate": {pattern: "pro"}}, [])
        outer = DispatcherMiddleware(flask(None, []).app, {"/shop": inner.app})
        site = Site(outer, is_async=False, calls=inner.calls)
        for target in spellings(SEED, 600):
            if target.startswith("/"):
                calls = ask(site, "/shop" + target, "eve")[1]
                assert not {"reports", "daily", "report", "archive"} & set(calls), (pattern, target)
        assert ask(site, "/shop/reports", "ada") == (200, ["reports"])


@contextlib.contextmanager
def by_gunicorn(town: str, mode: str, mirror: str) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    tests = Path(__file__).parents[1]
    paths = [str(tests), *sys.path]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "TOWN": town,
        "TOWN_MODE": mode,
        "TOWN_MIRROR": mirror,
    }
    command = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-k", "gthread", "--threads", "2"]
    command += ["--log-level", "critical", "--no-control-socket", "frameworks.towns:of_environment()"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        server = Server(port)
        for _ in range(200):
            with contextlib.suppress(OSError), server.connect():
                break
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def attack(server: Server, mode: str, headers: list[dict[str, str]], count: int) -> None:
    """Sends spellings over the wire, as one who may not pass and as one who may."""
    _, is_gated = MODES[mode]
    past, refused, reached = [], [], 0
    for number, target in enumerate(spellings(SEED + 1, count)):
        spoofed = headers[number % len(headers)]
        _, received = server.get(target, {**spoofed, HEADER: "eve"})
        ran = re.findall(r"ran ([a-z ]+)\.", received.decode("latin-1"))
        if any(is_gated(name) for name in ran):
            past.append((target, spoofed, ran))
        status, received = server.get(target, {**spoofed, HEADER: "ada"})
        if status in (401, 402):
            refused.append((target, spoofed, status))
        reached += b"ran " in received
    assert not past, f"seed {SEED}: {len(past)} got past: {past[:20]}"
    assert not refused, f"seed {SEED}: {len(refused)} were not served to one who paid: {refused[:20]}"
    assert reached > count // 20, f"only {reached} reached"
    assert server.get("/health?x", {HEADER: "eve"})[0] == 200


@every_mode
@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize(
    ("town", "root_path"), [(TOWNS[0], ""), (TOWNS[0], "/app"), (TOWNS[1], ""), (TOWNS[4], ""), (TOWNS[4], "/app")],
    ids=["starlette", "starlette mounted", "fastapi", "django", "django mounted"],
)  # fmt: skip
def test_no_spelling_gets_past_over_uvicorn(
    mirror: str, town: Callable[..., Site], root_path: str, http: str, mode: str
) -> None:
    site = town(settings_of(mode, mirror, root_path), [])
    try:
        with served(site.app, is_async=True, http=http, root_path=root_path) as server:
            attack(server, mode, SPOOFED, WIRED)
    finally:
        site.close()


@every_mode
@pytest.mark.parametrize("town", ["flask", "django_wsgi"])
def test_no_spelling_gets_past_over_gunicorn(mirror: str, town: str, mode: str) -> None:
    # It takes these from the machine that it runs on.
    trusted = [{"SCRIPT_NAME": path} for path in ("/health", "/reports", "/sub")] + [{"PATH_INFO": "/health"}]
    with by_gunicorn(town, mode, mirror) as server:
        attack(server, mode, [*SPOOFED, *trusted], WIRED)


@every_mode
def test_no_spelling_gets_past_over_werkzeug(mirror: str, mode: str) -> None:
    site = flask(settings_of(mode, mirror), [])
    with served(site.app, is_async=False) as server:
        attack(server, mode, SPOOFED, WIRED // 3)


def test_the_vectors_know_what_was_found_here() -> None:
    text = (REPOSITORY / "conformance/vectors/path.json").read_text()
    assert "a line break at the end" in text
