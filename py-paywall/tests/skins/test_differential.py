"""The skins against each other: a hundred thousand random rows and requests, answered by the tower layer and by the
wheel, and no difference between them.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from py_paywall import Mirror, Paywall, asgi, wsgi

from conftest import REPOSITORY, SqliteMirror, text

#: `PY_PAYWALL_SEED` replays a run.
SEED = int(os.environ.get("PY_PAYWALL_SEED") or random.SystemRandom().randrange(2**32))
CASES = 100_000

GATED = {"/models/**": "pro_plus", "/reports/*/daily": "pro", "/api/v1/billing": "pro"}
EXEMPT = ["/health", "/public/**", "/users/*"]

SEGMENTS = [
    "models", "Models", "reports", "daily", "health", "HEALTH", "public", "users", "api", "v1", "billing", "x", "42",
    "", ".", "..", "%2e", "%2E%2e", "a%2Fb", "mod%65ls", "%6dodels", "%2565", "%", "%zz", "%ff", "%c3%a9", ";p=1",
    "models;x", "\\..", "..\\", "a\\b",
]  # fmt: skip
STATUSES = ["active", "trialing", "past_due", "unpaid", "paused", "incomplete", "canceled", "none"]


def a_row(dice: random.Random, number: int) -> tuple[object, ...]:
    """A row of a table that takes anything; most are as Queue writes them."""
    # Hours beside the leeway of 72, so that no second decides.
    hours = dice.choice([-2000, -100, -73.5, -70.5, -1, 1, 24, 700])
    period_end: object = text(datetime.now(timezone.utc) + timedelta(hours=hours))
    tier: object = dice.choice(["free", "pro", "pro", "pro_plus"])
    status: object = dice.choice(["active", "active", "active", *STATUSES])
    version: object = "2026-01-01 00:00:00.000000"
    if dice.random() < 0.1:
        period_end = dice.choice([None, "", "never", "2026-01-01", 1_800_000_000, "infinity"])
    if dice.random() < 0.1:
        tier = dice.choice([None, "", "gold", "PRO", "pro ", 7])
    if dice.random() < 0.1:
        status = dice.choice([None, "", "ACTIVE", "active ", "аctive", "expired", 1])
    if dice.random() < 0.03:
        version = dice.choice([None, "", "now", 0])
    return (f"user-{number}", tier, status, period_end, version)


def a_path(dice: random.Random) -> str:
    return "/" + "/".join(dice.choices(SEGMENTS, k=dice.randrange(5)))


def a_request(dice: random.Random, rows: int) -> dict[str, str | None]:
    """A request; some customers have no row, some requests show none."""
    customer = dice.choice([f"user-{dice.randrange(rows)}"] * 12 + [None, "nobody", "with space", ""])
    path = a_path(dice)
    raw_path = dice.choice([path, path, path, a_path(dice), "http://host" + path])
    mount = dice.choice([None, None, "", "/api", "/api/v1", "/models", "/"])
    content_type = dice.choice([None, "application/json", "application/grpc", "application/grpc+proto", "text/html"])
    return {"path": path, "raw_path": raw_path, "mount": mount, "customer": customer, "content_type": content_type}


def of_the_tower_layer(settings: dict[str, Any], requests: list[dict[str, str | None]]) -> list[dict[str, Any]]:
    folder = os.environ.get("BILLING_BIN_DIR") or str(REPOSITORY / "target/debug")
    program = Path(folder) / "tower-gate"
    if not program.is_file():
        pytest.skip(f"{program} is not there: `cargo xtask test` builds it")
    lines = "\n".join(json.dumps(line) for line in [settings, *requests])
    done = subprocess.run([program], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


async def of_asgi(paywall: Paywall, requests: list[dict[str, str | None]]) -> list[dict[str, Any]]:
    async def handler(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await send({"handled": True})

    async def identity(scope: asgi.Scope) -> str | None:
        customer: str | None = scope["customer"]
        return customer

    middleware = asgi.PaywallMiddleware(handler, paywall=paywall, identity=identity)

    async def receive() -> asgi.Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def ask(request: dict[str, str | None]) -> dict[str, Any]:
        sent: list[asgi.Message] = []

        async def send(message: asgi.Message) -> None:
            sent.append(message)

        raw_path, content_type = request["raw_path"], request["content_type"]
        scope = {
            "type": "http",
            "path": request["path"],
            "raw_path": raw_path.encode() if raw_path else None,
            "root_path": request["mount"] or "",
            "headers": [(b"content-type", content_type.encode())] if content_type else [],
            "customer": request["customer"],
        }
        await middleware(scope, receive, send)
        if sent == [{"handled": True}]:
            return {"handled": True}
        start, body = sent
        headers = [[name.decode(), value.decode()] for name, value in start["headers"]]
        return {"status": start["status"], "headers": headers, "body": body["body"].decode()}

    answers: list[dict[str, Any]] = []
    for begin in range(0, len(requests), 500):
        answers.extend(await asyncio.gather(*(ask(request) for request in requests[begin : begin + 500])))
    return answers


def of_wsgi(paywall: Paywall, requests: list[dict[str, str | None]]) -> list[dict[str, Any]]:
    middleware = wsgi.PaywallMiddleware(
        lambda environ, start_response: [b"handled"],
        paywall=paywall,
        identity=lambda environ: environ["customer"],
    )

    def ask(request: dict[str, str | None]) -> dict[str, Any]:
        started: list[Any] = []
        environ: dict[str, Any] = {
            "PATH_INFO": request["path"],
            # With the query, which the other two get apart.
            "RAW_URI": f"{request['raw_path']}?next=/health",
            "SCRIPT_NAME": request["mount"] or "",
            "customer": request["customer"],
        }
        if request["content_type"]:
            environ["CONTENT_TYPE"] = request["content_type"]

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            started.extend([status, headers])

        body = b"".join(middleware(environ, start_response))
        if not started:
            assert body == b"handled"
            return {"handled": True}
        status, headers = started
        return {"status": int(status[:3]), "headers": [list(header) for header in headers], "body": body.decode()}

    return [ask(request) for request in requests]


def without_length(answer: dict[str, Any]) -> dict[str, Any]:
    """The layer leaves the length of the body to its server; the skins say it."""
    headers = [header for header in answer.get("headers", []) if header[0] != "content-length"]
    if len(headers) != len(answer.get("headers", [])):
        assert ["content-length", str(len(answer["body"]))] in answer["headers"]
    return {**answer, "headers": headers} if "headers" in answer else answer


@pytest.mark.parametrize("default_tier", ["pro", None], ids=["gated by default", "open by default"])
def test_no_request_is_answered_otherwise_than_by_the_tower_layer(
    table: SqliteMirror, default_tier: str | None
) -> None:
    dice = random.Random(f"{SEED} {default_tier}")
    table.make_loose()
    count = CASES // 2
    connection = sqlite3.connect(table.path)
    with connection:
        rows = [a_row(dice, number) for number in range(count)]
        connection.executemany("insert into billing_subscription_mirror values (?, ?, ?, ?, ?)", rows)
    connection.close()
    requests = [a_request(dice, count) for _ in range(count)]
    settings: dict[str, Any] = {
        "mirror": f"sqlite://{table.path}",
        "default_tier": default_tier,
        "gate": list(GATED.items()),
        "exempt": EXEMPT,
    }
    expected = of_the_tower_layer(settings, requests)
    assert len(expected) == count
    paywall = Paywall(
        Mirror.connect(table.url, timeout=30),
        default_tier=default_tier,
        gate=GATED,
        exempt=EXEMPT,
        upgrade_url="/pricing",
    )
    handled = sum(1 for answer in expected if answer == {"handled": True})
    told = {answer["body"] for answer in expected if "body" in answer}
    print(f"seed {SEED}: {count} requests, {handled} handled, {len(told)} different refusals")
    assert count // 20 < handled < count * 19 // 20
    assert len(told) >= 5
    for skin, answers in (("asgi", asyncio.run(of_asgi(paywall, requests))), ("wsgi", of_wsgi(paywall, requests))):
        for request, answer, wanted in zip(requests, answers, expected, strict=True):
            assert without_length(answer) == wanted, f"seed {SEED}: {skin} differs on {request}"
