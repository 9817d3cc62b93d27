"""A Flask application behind the paywall, with a receiver of pushes beside it, as its environment says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from flask import Flask, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from py_paywall import Mirror
from py_paywall.receiver import WsgiReceiver
from py_paywall.wsgi import PaywallMiddleware
from servers import handled

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

flask = Flask(__name__)
mirror = Mirror.connect(os.environ["MIRROR_DATABASE_URL"], timeout=20)


def who(environ: dict[str, Any]) -> str | None:
    """A stand-in for a session: no real application believes a header."""
    return environ.get("HTTP_X_CUSTOMER")


@flask.get("/reports")
def reports() -> dict[str, str]:
    """What is paid for."""
    handled.count(request.headers.get("x-customer"))
    return {"tier": request.environ["paywall.decision"].tier}


@flask.get("/health")
def health() -> str:
    """What is not."""
    return "ok"


app: WSGIApplication = PaywallMiddleware(flask, mirror=mirror, default_tier="pro", exempt=["/health"], identity=who)
if secrets := os.environ.get("MIRROR_PUSH_SECRET"):
    app = DispatcherMiddleware(app, {"/mirror": WsgiReceiver(mirror=mirror, secrets=secrets)})
if os.environ.get("MIRROR_USED_AT_IMPORT"):
    # With gunicorn's --preload that is before the fork.
    assert mirror.decide("bob", "pro").code != "gate_panicked"
