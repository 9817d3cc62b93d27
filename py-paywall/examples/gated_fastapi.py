"""A FastAPI service with two paid routes behind the paywall: the twin of tower-paywall's example.

MIRROR_DATABASE_URL=postgresql://app@db/app PORT=8091 python gated_fastapi.py
curl -i -H 'X-Demo-Customer: user-17' http://127.0.0.1:8091/reports
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import Any

import uvicorn
from fastapi import FastAPI, Request

from py_paywall.asgi import PaywallMiddleware

app = FastAPI()


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/reports")
@app.get("/models")
def paid_for(request: Request) -> dict[str, str | None]:
    decision = request.state.paywall
    return {"customer": decision.customer_id, "tier": decision.tier}


def demo_customer(scope: dict[str, Any]) -> str | None:
    """FOR THE DEMO ONLY. ANYBODY CAN SET THIS HEADER AND BE ANYBODY.

    A real service takes the customer from its verified session or token.
    """
    headers = dict(scope["headers"])
    customer: bytes | None = headers.get(b"x-demo-customer")
    return None if customer is None else customer.decode("latin-1")


app.add_middleware(
    PaywallMiddleware,
    mirror=os.environ["MIRROR_DATABASE_URL"],
    identity=demo_customer,
    default_tier="pro",
    gate={"/models/**": "pro_plus"},
    exempt=["/health"],
    upgrade_url="/pricing",
)

if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "0"))))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    # When it has stopped, uvicorn sends itself the signal that stopped it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
