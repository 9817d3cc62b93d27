"""What only an ASGI server does to a receiver: slow bodies, clients that leave, many pushes at once, other scopes."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Route

from py_paywall import Mirror, _alerts, receiver
from py_paywall.receiver import AsgiReceiver
from receiver.pushes import HEADER, SECRET, Request, a_push, a_row, ask_asgi, exchange, signed

from conftest import SqliteMirror


@pytest.fixture
def taker(table: SqliteMirror) -> AsgiReceiver:
    return AsgiReceiver(mirror=table.url, secrets=SECRET)


async def test_a_body_that_does_not_come_is_given_up(
    taker: AsgiReceiver, table: SqliteMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "_BODY_SECONDS", 0.2)
    begun = False

    async def receive() -> Any:
        nonlocal begun
        if begun:
            await asyncio.sleep(60)
        begun = True
        return {"type": "http.request", "body": a_push(a_row()), "more_body": True}

    answer = await asyncio.wait_for(exchange(taker, Request(a_push(a_row())), receive), 10)
    assert answer.status == 408
    assert table.execute("select * from billing_subscription_mirror") == []


async def test_a_client_that_leaves_within_the_body_changes_nothing(taker: AsgiReceiver, table: SqliteMirror) -> None:
    # All of the push is there, but the client did not say so.
    messages = iter([{"type": "http.request", "body": a_push(a_row()), "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    assert (await exchange(taker, Request(a_push(a_row())), receive)).status == 408
    assert table.execute("select * from billing_subscription_mirror") == []


async def test_what_is_too_large_is_refused_before_all_of_it_has_come(taker: AsgiReceiver) -> None:
    read = 0

    async def receive() -> Any:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b" " * 65536, "more_body": True}

    answer = await exchange(taker, Request(b"", ["t=1,v1=0"]), receive)
    assert (answer.status, answer.code) == (413, "body_too_large")
    assert read == 17


async def test_hundred_pushes_at_once_end_with_the_newest(taker: AsgiReceiver, table: SqliteMirror) -> None:
    pushes = [a_push(a_row(status="active" if version == 100 else "unpaid", version=version)) for version in range(101)]
    answers = await asyncio.gather(*(ask_asgi(taker, Request(push)) for push in pushes))
    # A database that others write to may be busy for once; Queue sends those again.
    again = [push for push, answer in zip(pushes, answers, strict=True) if answer.status != 200]
    assert {answer.status for answer in answers} <= {200, 503}
    for push in again:
        assert (await ask_asgi(taker, Request(push))).status == 200
    assert (await Mirror.connect(table.url, timeout=30).adecide("ada", "pro")).allowed


async def test_a_request_that_is_cancelled_harms_no_other(taker: AsgiReceiver, table: SqliteMirror) -> None:
    for version in range(1, 21):
        task = asyncio.ensure_future(ask_asgi(taker, Request(a_push(a_row(status="unpaid", version=version)))))
        for _ in range(version % 4):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert (await ask_asgi(taker, Request(a_push(a_row(version=100))))).status == 200
    assert (await Mirror.connect(table.url, timeout=30).adecide("ada", "pro")).allowed


async def test_other_scopes_are_refused_and_lifespan_is_kept(taker: AsgiReceiver) -> None:
    async def nothing() -> Any:
        raise AssertionError

    async def silence(_: Any) -> None:
        raise AssertionError

    with pytest.raises(NotImplementedError, match="websocket"):
        await taker({"type": "websocket"}, nothing, silence)

    messages, sent = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]), []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await taker({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_why_a_push_was_not_taken_is_in_the_log_and_no_secret_is(
    taker: AsgiReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="py_paywall")
    await ask_asgi(taker, Request(a_push(a_row()), ["t=1,v1=00"]))
    await ask_asgi(taker, Request(a_push(a_row(plan_tier="PRO"))))
    await ask_asgi(taker, Request(a_push(a_row())))
    told = [record.getMessage() for record in caplog.records if record.name == "py_paywall"]
    assert told == [
        "a push was not believed: timestamp_outside_tolerance",
        "a push was not applied: push_malformed",
        "a push was applied",
    ]
    assert SECRET not in caplog.text
    assert "ada" not in caplog.text
    assert SECRET not in repr(taker)


async def test_a_flood_of_forged_pushes_is_one_alert_and_then_a_count_s4(
    taker: AsgiReceiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts = _alerts.Alerts()
    monkeypatch.setattr(_alerts, "alerts", alerts)
    caplog.set_level(logging.INFO, logger="py_paywall")
    for _ in range(500):
        await ask_asgi(taker, Request(a_push(a_row()), ["t=1,v1=00"]))
    name = "billing.webhook.signature_failed"
    assert [record.getMessage() for record in caplog.records] == [f"{name} (1 times)"]
    alerts.flush()
    assert [record.getMessage() for record in caplog.records] == [f"{name} (1 times)", f"{name} (499 times)"]


async def test_a_route_of_fastapi_takes_pushes_at_its_very_path(taker: AsgiReceiver, table: SqliteMirror) -> None:
    app = FastAPI()
    app.router.routes.append(Route("/mirror", taker))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        body = a_push(a_row())
        answer = await client.post("/mirror", content=body, headers={HEADER: signed(body)})
    assert (answer.status_code, answer.json()) == (200, {"outcome": "applied"})
    assert len(table.execute("select * from billing_subscription_mirror")) == 1
