"""The paywall for Flask: before all of an application, or before single views.

`Paywall(app, …)` gates by path before any view, and `@paywall.require("pro")` gates a view. Both leave the
decision in `g.paywall`.

**What runs before it runs for everyone**: an application's own `before_request` functions do so if they were
registered before `init_app`. **A decorator below `@app.route` gates, one above it does not**: Flask registers the
view that it is given. With `init_app` such a view is gated all the same, and an error is logged.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from flask import Response, current_app, g, request

from py_paywall import _paywall

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from typing_extensions import Unpack

    from py_paywall._mirror import Mirror
    from py_paywall._native import Decision, Gate
    from py_paywall._paywall import AsyncIdentity, Settings

    View = Callable[..., Any]

__all__ = ["Paywall"]


class Paywall(_paywall.Paywall):
    """A paywall as a Flask extension.

    :param app: the application, or None to call `init_app` later.
    :param mirror: a `py_paywall.Mirror`, or its URL.
    :param identity: called within the request (`flask.request`, `flask.session`, …); answers the customer's id, or
        None for nobody. Whatever it rests on must not be the client's to choose.
    :param default_tier: the tier that every path asks for which no pattern names; None: nothing is gated but what
        `gate` names or `require` decorates.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        mirror: Mirror | str,
        identity: AsyncIdentity,
        default_tier: str | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(mirror, default_tier=default_tier, **settings)
        self.identity = identity
        #: The views that `require` was given, and what came out.
        self._required: dict[View, tuple[Gate, View]] = {}
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Gates an application by path, before its views, its static files and its 404s."""
        app.extensions["paywall"] = self
        app.before_request(self._before_request)

    def require(self, tier: str) -> Callable[[View], View]:
        """A decorator that lets nobody through to a view without this tier.

        :raises ValueError: for a tier that nobody pays for.
        """
        gate = self.gate_for(tier)

        def decorate(view: View) -> View:
            @functools.wraps(view)
            def gated(*args: Any, **kwargs: Any) -> Any:
                refusal = self._refusal(gate)
                return view(*args, **kwargs) if refusal is None else refusal

            @functools.wraps(view)
            async def agated(*args: Any, **kwargs: Any) -> Any:
                decision = await self.adecide(gate, self.identity)
                refusal = self._answer(decision, gate)
                return await view(*args, **kwargs) if refusal is None else refusal

            out: View = agated if inspect.iscoroutinefunction(view) else gated
            self._required[view] = gate, out
            return out

        return decorate

    def _before_request(self) -> Response | None:
        gate = self.before_environ(request.environ)
        refusal = None if gate is None else self._refusal(gate)
        if refusal is None and self._required:
            forgotten = self._forgotten(current_app.view_functions.get(request.endpoint or ""))
            refusal = None if forgotten is None else self._refusal(forgotten)
        return refusal

    def _refusal(self, gate: Gate) -> Response | None:
        identity = current_app.ensure_sync(self.identity)
        return self._answer(self.decide(gate, identity), gate)

    def _answer(self, decision: Decision, gate: Gate) -> Response | None:
        problem = self.refusal(decision, gate, request.content_type)
        if problem is None:
            g.paywall = decision
            return None
        # A response and no exception: an application's own handler for status 402 does not answer in its place.
        response = Response(problem.body, problem.status, problem.headers)
        response.headers.set("content-length", str(len(problem.body)))
        return response

    def _forgotten(self, view: View | None) -> Gate | None:
        """The gate of a view that was registered before it was decorated, as happens above `@app.route`."""
        required = None if view is None else self._required.get(view)
        if required is None:
            return None
        gate, gated = required
        registered = current_app.view_functions.values()
        if any(gated is each for view in registered for each in _unwrapped(view)):
            return None  # It is there both ways, and somebody meant it.
        _paywall.logger.error(
            "@paywall.require stands above @route: the paywall goes before this view by itself",
            extra={"view": request.endpoint},
        )
        return gate


def _unwrapped(view: View | None) -> list[View]:
    """A view and all that it was decorated from."""
    views = []
    while view is not None and view not in views:
        views.append(view)
        view = getattr(view, "__wrapped__", None)
    return views
