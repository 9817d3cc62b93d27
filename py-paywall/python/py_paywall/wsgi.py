"""The paywall for any WSGI application.

Rules, as everywhere (P1 to P6): the application runs only for requests that the mirror allows; what can't be
decided is refused, with the same bytes as from the tower layer.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from py_paywall._paywall import Paywall, Settings
from py_paywall.asgi import of_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication
    from typing_extensions import Unpack

    from py_paywall._mirror import Mirror
    from py_paywall._native import Problem
    from py_paywall._paywall import Identity


class PaywallMiddleware:
    """Lets a request through to a WSGI application if the mirror allows.

    :param app: the application.
    :param identity: called with the environ; answers the customer's id, or None for nobody. Whatever it rests
        on must not be the client's to choose.
    :param paywall: a `Paywall`; or its settings one by one, as keywords.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        identity: Identity,
        paywall: Paywall | None = None,
        mirror: Mirror | str | None = None,
        default_tier: str | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        self.app = app
        self.paywall = paywall or of_settings(mirror, default_tier, settings)
        self.identity = identity
        self._before = self.paywall.before_environ

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        gate = self._before(environ)
        if gate is None:
            return self.app(environ, start_response)
        decision = self.paywall.decide(gate, self.identity, environ)
        problem = self.paywall.refusal(decision, gate, environ.get("CONTENT_TYPE"))
        if problem is None:
            environ["paywall.decision"] = decision
            return self.app(environ, start_response)
        return refuse(problem, environ, start_response)


def refuse(problem: Problem, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answers with a refusal."""
    body = problem.body
    headers = [*problem.headers, ("content-length", str(len(body)))]
    start_response(f"{problem.status} {HTTPStatus(problem.status).phrase}", headers)
    # Some servers send what they are given: after a head alone, it would be taken for the next response.
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]
