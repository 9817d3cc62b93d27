"""The paywall for any ASGI application.

Rules, as everywhere (P1 to P6): the application runs only for requests that the mirror allows; what can't be
decided is refused. Refused HTTP requests get the same bytes as from the tower layer; WebSockets are denied
before they are accepted; `lifespan` passes; scopes of other kinds are refused.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from py_paywall._paywall import Paywall, Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from typing_extensions import Unpack

    from py_paywall._mirror import Mirror
    from py_paywall._native import Decision, Problem
    from py_paywall._paywall import AsyncIdentity

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: "Policy violation" (RFC 6455, 7.4.1): for servers that can't send a denial's response.
POLICY_VIOLATION = 1008


class PaywallMiddleware:
    """Lets a request through to an ASGI application if the mirror allows.

    :param app: the application.
    :param identity: called with the scope; answers the customer's id, None for nobody, or something to be
        awaited that does. Whatever it rests on must not be the client's to choose: put the middleware that
        authenticates outside of this one.
    :param paywall: a `Paywall`; or its settings one by one, as keywords.
    """

    def __init__(
        self,
        app: App,
        *,
        identity: AsyncIdentity,
        paywall: Paywall | None = None,
        mirror: Mirror | str | None = None,
        default_tier: str | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        self.app = app
        self.paywall = paywall or of_settings(mirror, default_tier, settings)
        self.identity = identity
        self._before = self.paywall.before
        self._mount = _own_mount(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http" or kind == "websocket":
            gate = self._before(scope["path"], scope.get("raw_path"), self._mount or scope.get("root_path"))
            if gate is None:
                return await self.app(scope, receive, send)
            decision = await self.paywall.adecide(gate, self.identity, scope)
            problem = self.paywall.refusal(decision, gate, _content_type(scope))
            if problem is None:
                leave(decision, scope)
                return await self.app(scope, receive, send)
            if kind == "http":
                return await refuse(problem, send)
            return await refuse_websocket(problem, scope, receive, send)
        if kind == "lifespan":
            return await self.app(scope, receive, send)
        raise NotImplementedError(f"the paywall knows no ASGI scope of type {kind!r}, and lets none through")


def _own_mount(app: App) -> str | None:
    """FastAPI's own `root_path`, which takes the place of the server's once the request is behind the paywall."""
    fastapi = sys.modules.get("fastapi")
    if fastapi is None or not isinstance(app, fastapi.FastAPI):
        return None
    return app.root_path or None


def of_settings(mirror: Mirror | str | None, default_tier: str | None, settings: Settings) -> Paywall:
    """A paywall from settings one by one."""
    if mirror is None:
        raise TypeError("give the paywall a mirror: mirror='postgresql://…', or paywall=Paywall(…)")
    if default_tier is None and not settings.get("gate"):
        raise TypeError("say what is gated: default_tier='pro' for everything, or gate={'/reports/**': 'pro'}")
    return Paywall(mirror, default_tier=default_tier, **settings)


def leave(decision: Decision, scope: Scope) -> None:
    """Leaves the decision where Starlette's `request.state.paywall` finds it."""
    scope.setdefault("state", {})["paywall"] = decision


async def refuse(problem: Problem, send: Send, prefix: str = "http") -> None:
    """Sends a refusal."""
    body = problem.body
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in problem.headers]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": f"{prefix}.response.start", "status": problem.status, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": body})


async def refuse_websocket(problem: Problem, scope: Scope, receive: Receive | None, send: Send) -> None:
    """Denies a WebSocket before it is accepted, with the refusal where the server can send it.

    `receive` is None where somebody has received `websocket.connect` already.
    """
    if receive is not None:
        await receive()
    if "websocket.http.response" in (scope.get("extensions") or {}):
        await refuse(problem, send, "websocket.http")
    else:
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})


def _content_type(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name.lower() == b"content-type":
            return bytes(value)
    return None
