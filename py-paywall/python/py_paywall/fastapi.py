"""The paywall for FastAPI and Starlette: before all of an application, or before single routes.

`app.add_middleware(PaywallMiddleware, …)` gates by path, and `Depends(paywall.require("pro"))` a route, a
router or an application, over HTTP and over WebSocket. Both leave the decision in `request.state.paywall`.

**The middleware that is added last runs first.** The one that authenticates goes in after this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketState

from py_paywall import _paywall, asgi

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Receive, Scope, Send
    from typing_extensions import Unpack

    from py_paywall._mirror import Mirror
    from py_paywall._native import Decision, Problem
    from py_paywall._paywall import AsyncIdentity, Settings

__all__ = ["Paywall", "PaywallMiddleware", "Refused"]


class Refused(Exception):  # noqa: N818 - it is no error
    """What `require` raises, and `init_app` answers.

    It is no `HTTPException`, so that an application's own handler for status 402 does not answer in its place.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.status)
        self.problem = problem


class Paywall(_paywall.Paywall):
    """A paywall whose gates are dependencies.

    :param mirror: a `py_paywall.Mirror`, or its URL.
    :param identity: called with the `HTTPConnection` (a `Request` or a `WebSocket`); answers the customer's id, None
        for nobody, or something to be awaited that does. Whatever it rests on must not be the client's to choose.
    :param app: as `init_app`.
    :param default_tier: for `PaywallMiddleware` only, as all patterns of paths are.
    """

    def __init__(
        self,
        mirror: Mirror | str,
        *,
        identity: AsyncIdentity,
        app: Starlette | None = None,
        default_tier: str | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(mirror, default_tier=default_tier, **settings)
        self.identity = identity
        if app is not None:
            self.init_app(app)

    def require(self, tier: str) -> Callable[[HTTPConnection], Awaitable[Decision]]:
        """A dependency that lets nobody through without this tier; its value is the decision.

        :raises ValueError: for a tier that nobody pays for.
        """
        gate = self.gate_for(tier)

        async def paid(connection: HTTPConnection) -> Decision:
            decision = await self.adecide(gate, self.identity, connection)
            problem = self.refusal(decision, gate, connection.headers.get("content-type"))
            if problem is not None:
                raise _refused(problem, connection.scope)
            connection.state.paywall = decision
            return decision

        return paid

    def init_app(self, app: Starlette) -> None:
        """Has an application answer refusals byte for byte.

        Without it they are refused all the same, with the right status and the framework's own body. An
        application that is mounted in another one handles its own exceptions, and needs a call of its own.
        """
        app.add_exception_handler(Refused, _answer)


class PaywallMiddleware(asgi.PaywallMiddleware):
    """The paywall before a whole application, by path: `app.add_middleware(PaywallMiddleware, …)`.

    :param identity: called with the `HTTPConnection`, which has `headers`, `cookies`, `session` and `user` where
        other middleware leaves them there. Not needed where `paywall` is a `Paywall` of this module.
    :param paywall: a `Paywall`; or its settings one by one, as keywords.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        identity: AsyncIdentity | None = None,
        paywall: _paywall.Paywall | None = None,
        mirror: Mirror | str | None = None,
        default_tier: str | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        identify = identity or getattr(paywall, "identity", None)
        if identify is None:
            raise TypeError("say who is asking: identity=lambda connection: connection.session.get('user')")

        def of_connection(scope: Scope) -> Any:
            return identify(HTTPConnection(scope))

        super().__init__(
            app,
            identity=of_connection,
            paywall=paywall,
            mirror=mirror,
            default_tier=default_tier,
            **settings,
        )


def _refused(problem: Problem, scope: Scope) -> Exception:
    """What to raise so that the application that handles it refuses, whether it knows of us or not."""
    if Refused in getattr(scope.get("app"), "exception_handlers", {}):
        return Refused(problem)
    if scope["type"] == "websocket":
        return WebSocketException(asgi.POLICY_VIOLATION)
    return HTTPException(problem.status, headers=dict(problem.headers))


async def _answer(connection: HTTPConnection, refused: Exception) -> Response:
    assert isinstance(refused, Refused)
    return _Refusal(refused.problem, connection)


class _Refusal(Response):
    """A refusal as it is, which Starlette's own responses would add to."""

    def __init__(self, problem: Problem, connection: HTTPConnection) -> None:
        super().__init__(problem.body, problem.status, dict(problem.headers))
        self.problem = problem
        self.connection = connection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not isinstance(self.connection, WebSocket):
            return await asgi.refuse(self.problem, send)
        if self.connection.application_state is not WebSocketState.CONNECTING:
            # Something before the paywall has accepted it: there is nothing left to answer.
            return await self.connection.close(asgi.POLICY_VIOLATION)
        connected = self.connection.client_state is not WebSocketState.CONNECTING
        return await asgi.refuse_websocket(self.problem, scope, None if connected else receive, send)
