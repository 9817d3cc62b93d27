"""Pushes as Queue makes them, and both receivers as their servers call them, in this process."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from py_paywall.receiver import AsgiReceiver, WsgiReceiver

SECRET = "a secret of the tests' own"
HEADER = "queue-signature"


def a_row(customer: str = "ada", status: str = "active", version: int = 1, **columns: object) -> dict[str, object]:
    """A customer's row, paid for long."""
    row: dict[str, object] = {
        "queue_customer_id": customer,
        "plan_tier": "pro",
        "status": status,
        "current_period_end": "2099-01-01 00:00:00.000000",
        "updated_at": f"2027-01-15 08:00:00.{version:06}",
    }
    return {**row, **columns}


def a_push(*rows: object, **fields: object) -> bytes:
    """The body of a push."""
    return json.dumps({"rows": list(rows), **fields}).encode()


def mac(body: bytes, at: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()


def signed(body: bytes, *secrets: str, at: int | None = None) -> str:
    """The header that signs a body with each secret."""
    stamp = str(int(time.time()) if at is None else at)
    return ",".join([f"t={stamp}", *(f"v1={mac(body, stamp, secret)}" for secret in secrets or (SECRET,))])


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def code(self) -> str:
        said = json.loads(self.body)
        told: str = said.get("code") or said["outcome"]
        return told

    def without_length(self) -> dict[str, Any]:
        """As the vectors write it. The length must be there all the same, and right."""
        headers = [list(header) for header in self.headers]
        headers.remove(["content-length", str(len(self.body))])
        return {"status": self.status, "headers": headers, "body": self.body.decode()}


@dataclass
class Request:
    """A request, as good as it can be but for what a test says of it."""

    body: bytes = b""
    signatures: Sequence[str] | None = None
    method: str = "POST"
    #: What the body comes in, where that is not in one piece.
    pieces: Iterable[bytes] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def all_headers(self) -> list[tuple[str, str]]:
        signatures = [signed(self.body)] if self.signatures is None else self.signatures
        return [*self.headers.items(), *((HEADER, signature) for signature in signatures)]


#: A receiver that is asked.
Ask = Callable[[Request], Answer]


def of_asgi(receiver: AsgiReceiver) -> Ask:
    return lambda request: asyncio.run(ask_asgi(receiver, request))


async def ask_asgi(receiver: AsgiReceiver, request: Request) -> Answer:
    pieces = [request.body] if request.pieces is None else request.pieces
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.request"})
    left = iter(messages)
    return await exchange(receiver, request, lambda: _next(left))


async def _next(left: Any) -> Any:
    return next(left)


async def exchange(receiver: AsgiReceiver, request: Request, receive: Callable[[], Any]) -> Answer:
    """Asks over a channel of the test's own."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(name.title().encode(), value.encode("latin-1")) for name, value in request.all_headers()]
    scope = {"type": "http", "method": request.method, "path": "/", "headers": headers, "http_version": "1.1"}
    await receiver(scope, receive, send)
    start, body = sent
    told = [(name.decode(), value.decode()) for name, value in start["headers"]]
    return Answer(start["status"], told, body["body"])


def of_wsgi(receiver: WsgiReceiver) -> Ask:
    return lambda request: ask_wsgi(receiver, request)


def ask_wsgi(receiver: WsgiReceiver, request: Request, **environ: Any) -> Answer:
    started: list[Any] = []
    body = request.body if request.pieces is None else b"".join(request.pieces)
    asked: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
    }
    for name, value in request.all_headers():
        variable = f"HTTP_{name.upper().replace('-', '_')}"
        # As servers join what comes more than once (RFC 3875, 4.1.18).
        asked[variable] = f"{asked[variable]},{value}" if variable in asked else value
    parts = receiver({**asked, **environ}, lambda status, headers, _=None: started.extend([status, headers]))  # type: ignore[arg-type]
    status, headers = started
    return Answer(int(status[:3]), headers, b"".join(parts))
