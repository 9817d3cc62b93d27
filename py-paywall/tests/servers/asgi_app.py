"""A FastAPI application behind the paywall, with a receiver of pushes beside it, as its environment says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from starlette.routing import Route

from py_paywall import Mirror
from py_paywall.asgi import PaywallMiddleware
from py_paywall.receiver import AsgiReceiver
from servers import handled

if TYPE_CHECKING:
    from py_paywall.asgi import Scope

app = FastAPI()
mirror = Mirror.connect(os.environ["MIRROR_DATABASE_URL"], timeout=20)


def who(scope: Scope) -> str | None:
    """A stand-in for a session: no real application believes a header."""
    customer = dict(scope["headers"]).get(b"x-customer")
    return None if customer is None else customer.decode()


@app.get("/reports")
async def reports(request: Request) -> dict[str, str]:
    """What is paid for."""
    handled.count(request.headers.get("x-customer"))
    return {"tier": request.state.paywall.tier}


@app.get("/health")
async def health() -> str:
    """What is not."""
    return "ok"


app.add_middleware(PaywallMiddleware, mirror=mirror, default_tier="pro", exempt=["/health", "/mirror"], identity=who)
if secrets := os.environ.get("MIRROR_PUSH_SECRET"):
    app.router.routes.append(Route("/mirror", AsgiReceiver(mirror=mirror, secrets=secrets)))
if os.environ.get("MIRROR_USED_AT_IMPORT"):
    # With gunicorn's --preload that is before the fork.
    assert mirror.decide("bob", "pro").code != "gate_panicked"
