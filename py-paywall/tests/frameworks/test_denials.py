"""What those are answered with who may not pass: the same bytes from every skin, and nothing that undoes them."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Depends, FastAPI, WebSocket

from frameworks.servers import served
from frameworks.skins import HEADER, PAID, SKINS, answer_of, flask_hook, opened, vector
from frameworks.skins import bare_asgi as asgi_site
from py_paywall import asgi
from py_paywall.fastapi import Paywall, PaywallMiddleware

from conftest import REPOSITORY, SqliteMirror, text

if TYPE_CHECKING:
    from frameworks.skins import Skin

every_skin = pytest.mark.parametrize("skin", SKINS, ids=lambda skin: skin.__name__)


#: Gates that every skin can be given: for one tier, with these options.
OPTIONS = {"required_tier", "upgrade_url", "unknown_is_503"}


def decisions() -> list[Any]:
    """What the vectors answer to those who may not pass, by what the mirror holds of them."""
    cases = json.loads((REPOSITORY / "conformance/vectors/decision.json").read_text())["cases"]
    refused = [case for case in cases if "http" in case["expected"] and "row" in case["input"]]
    params = [
        pytest.param(case["input"], case["expected"], id=case["name"])
        for case in refused
        if case["input"]["gate"].keys() <= OPTIONS
        and case["input"]["gate"]["required_tier"] == "pro"
        # One without an id is never found by one.
        and (case["input"]["row"] is None or case["input"]["row"]["queue_customer_id"])
    ]
    assert len(params) > 20
    return params


def as_of_now(instant: str | None, given_now: str) -> str | None:
    """An instant that is as far from now as this one is from the vector's now."""
    form = "%Y-%m-%d %H:%M:%S.%f"
    if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", instant or "", re.ASCII):
        return instant
    try:
        distance = datetime.strptime(instant or "", form) - datetime.strptime(given_now, form)
        return text(datetime.now(timezone.utc) + distance)
    except (OverflowError, ValueError):
        return instant


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize(("given", "expected"), decisions())
def test_every_skin_answers_as_the_vectors_say_p3(
    table: SqliteMirror, given: dict[str, Any], expected: dict[str, Any], protocol: str
) -> None:
    table.make_loose()
    row = given["row"]
    if row is not None:
        period_end = as_of_now(row["current_period_end"], given["now"])
        insert = "insert into billing_subscription_mirror values ('ada', ?, ?, ?, ?)"
        table.execute(insert, row["plan_tier"], row["status"], period_end, row["updated_at"])
    headers = {"content-type": "application/grpc+proto"} if protocol == "grpc" else {}
    options = {key: value for key, value in given["gate"].items() if key != "required_tier"}
    for skin in SKINS:
        with opened(skin, table.url, **options) as site:
            assert (site.get(headers=headers), site.calls) == (answer_of(expected[protocol]), []), skin.__name__


@every_skin
def test_settings_change_the_answer_everywhere(table: SqliteMirror, skin: Skin) -> None:
    table.make_loose()
    table.put("eve", status=None)
    with opened(skin, table.url, upgrade_url="/pricing?from=402", unknown_is_503=True) as site:
        answer = site.get(customer="mallory")
        assert (answer.status, json.loads(answer.body)["upgrade_url"]) == (402, "/pricing?from=402")
        answer = site.get(customer="eve")
        assert (answer.status, json.loads(answer.body)["code"]) == (503, "entitlement_unknown")
        assert dict(answer.headers)["retry-after"] == "5"
        assert site.calls == []


@every_skin
def test_a_head_request_gets_the_head_of_the_refusal(table: SqliteMirror, skin: Skin) -> None:
    with opened(skin, table.url) as site, served(site.app, is_async=site.is_async) as server:
        # Two on one connection: a body that does not belong there would be taken for the next answer.
        request = f"%s {PAID} HTTP/1.1\r\nHost: x\r\n{HEADER}: eve\r\nConnection: %s\r\n\r\n"
        received = server.send((request % ("HEAD", "keep-alive") + request % ("GET", "close")).encode())
        head, _, rest = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 402 ")
        # Or the server has closed the connection, which is as clear.
        assert not rest or (rest.startswith(b"HTTP/1.1 402 ") and rest.endswith(vector("no_row").body))


@every_skin
def test_whoever_observes_lets_pass_and_says_what_it_would_have_refused(
    table: SqliteMirror, skin: Skin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "py_paywall")
    with opened(skin, table.url, observe=True) as site:
        # Django's makes its paywall when it is first asked.
        assert (site.get(customer=None).status, len(site.calls)) == (200, 1)
        assert any("ONLY OBSERVES" in record.message for record in caplog.records)
        assert [record.code for record in caplog.records if hasattr(record, "code")] == ["no_identity"]
        assert all(PAID not in record.getMessage() for record in caplog.records if record.name.startswith("py_paywall"))


@every_skin
def test_one_who_paid_leaves_no_warning(table: SqliteMirror, skin: Skin, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    table.put("ada")
    with opened(skin, table.url) as site:
        assert site.get().status == 200
    assert [record for record in caplog.records if record.name.startswith("py_paywall")] == []


# P6: other gates before and behind it.


def refusing(status: int) -> Any:
    """An ASGI application that is another gate, which refuses everyone."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"not by us"})

    return app


def test_a_gate_behind_it_keeps_refusing_whom_it_lets_through_p6(table: SqliteMirror) -> None:
    table.put("ada")
    with opened(asgi_site, table.url) as site:
        site.app.app = refusing(403)
        assert (site.get().status, site.get().body) == (403, b"not by us")
        assert site.get(customer="eve") == vector("no_row")


def test_a_gate_before_it_is_never_overridden_p6(table: SqliteMirror) -> None:
    table.put("ada")
    with opened(asgi_site, table.url) as site:
        inner = site.app

        async def only_on_results(scope: Any, receive: Any, send: Any) -> None:
            await (refusing(403) if b"x-loss" in dict(scope["headers"]) else inner)(scope, receive, send)

        site.app = only_on_results
        assert (site.get(headers={"x-loss": "1"}).status, site.calls) == (403, [])
        assert site.get().status == 200


def test_a_flask_application_may_refuse_before_and_behind_it_p6(table: SqliteMirror) -> None:
    import flask

    table.put("ada")
    with opened(flask_hook, table.url) as site:
        site.app.before_request(lambda: ("by the host", 403) if flask.request.headers.get("x-loss") else None)
        assert (site.get(headers={"x-loss": "1"}).status, site.calls) == (403, [])
        assert site.get(customer="eve", headers={"x-loss": "1"}) == vector("no_row")
        assert site.get().status == 200


# WebSockets.


def a_websocket_site(table: SqliteMirror, *, by_dependency: bool, init: bool = True) -> tuple[Any, list[str]]:
    app, calls = FastAPI(), []
    paywall = Paywall(
        table.url, identity=lambda connection: connection.headers.get(HEADER), default_tier="pro", exempt=["/free"]
    )
    dependencies = [Depends(paywall.require("pro"))] if by_dependency else []
    if not by_dependency:
        app.add_middleware(PaywallMiddleware, paywall=paywall)
    elif init:
        paywall.init_app(app)

    @app.websocket("/live", dependencies=dependencies)
    async def live(socket: WebSocket) -> None:
        calls.append(socket.state.paywall.tier)
        await socket.accept()
        await socket.send_text("here")
        await socket.close()

    return app, calls


both_ways = pytest.mark.parametrize("by_dependency", [False, True], ids=["middleware", "dependency"])


@both_ways
@pytest.mark.parametrize("implementation", ["websockets-sansio", "wsproto"])
def test_a_websocket_is_denied_with_the_same_bytes_over_uvicorn(
    table: SqliteMirror, by_dependency: bool, implementation: str
) -> None:
    app, calls = a_websocket_site(table, by_dependency=by_dependency)
    table.put("ada")
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
        "Sec-WebSocket-Version": "13",
    }

    def shake(customer: str) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**upgrade, HEADER: customer}.items())
        with server.connect() as client:
            client.sendall(f"GET /live HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
            received = b""
            while b"here" not in received and (data := client.recv(65536)):
                received += data
                if received.endswith(vector("no_row").body):
                    break
        return received

    with served(app, is_async=True, ws=implementation) as server:
        denied = shake("eve")
        assert (denied[:12], calls) == (b"HTTP/1.1 402", [])
        assert denied.endswith(vector("no_row").body)
        assert b"application/problem+json" in denied
        assert shake("ada").startswith(b"HTTP/1.1 101 ")
        assert calls == ["pro"]


async def handshake(app: Any, extensions: dict[str, Any]) -> list[dict[str, Any]]:
    """What an application sends to somebody who has no row."""
    sent: list[dict[str, Any]] = []
    messages = [{"type": "websocket.connect"}]
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "path": "/live",
        "raw_path": b"/live",
        "root_path": "",
        "query_string": b"",
        "headers": [(HEADER.encode(), b"eve")],
        "subprotocols": [],
        "extensions": extensions,
    }

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await asyncio.wait_for(app(scope, receive, send), 10)
    return sent


@both_ways
@pytest.mark.parametrize("init", [True, False])
async def test_a_websocket_is_closed_before_it_is_accepted_where_no_response_can_be_sent(
    table: SqliteMirror, by_dependency: bool, init: bool
) -> None:
    app, calls = a_websocket_site(table, by_dependency=by_dependency, init=init)
    sent = await handshake(app, {})
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]
    sent = await handshake(app, {"websocket.http.response": {}})
    if init or not by_dependency:
        body = vector("no_row").body
        kinds = [message["type"] for message in sent]
        assert kinds == ["websocket.http.response.start", "websocket.http.response.body"]
        assert (sent[0]["status"], sent[1]["body"]) == (402, body)
    assert calls == []


@both_ways
def test_starlettes_own_client_sees_the_denial(table: SqliteMirror, by_dependency: bool) -> None:
    from starlette.testclient import TestClient, WebSocketDenialResponse

    app, calls = a_websocket_site(table, by_dependency=by_dependency)
    client = TestClient(app)
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/live", headers={HEADER: "eve"}):
        pass
    assert (denied.value.status_code, denied.value.content, calls) == (402, vector("no_row").body, [])
    table.put("ada")
    with client.websocket_connect("/live", headers={HEADER: "ada"}) as socket:
        assert (socket.receive_text(), calls) == ("here", ["pro"])


async def test_scopes_that_nobody_knows_are_refused(table: SqliteMirror) -> None:
    with_calls: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        with_calls.append(scope["type"])

    gated = asgi.PaywallMiddleware(app, mirror=table.url, default_tier="pro", identity=lambda _: "ada")

    async def nothing(*_: Any) -> Any:
        return {}

    with pytest.raises(NotImplementedError):
        await gated({"type": "http3.datagram"}, nothing, nothing)
    await gated({"type": "lifespan"}, nothing, nothing)
    assert with_calls == ["lifespan"]
