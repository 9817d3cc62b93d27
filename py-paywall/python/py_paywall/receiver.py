"""The receiver of Queue's pushes: for a mirror whose database Queue can't reach itself (M4).

Queue posts rows, signed in Stripe's scheme with a secret that only the two know. Each is applied where it is newer than
what is there, so that a push that comes late, twice or out of order harms nothing. Whatever can't be applied now is
answered so that Queue sends it again.

    receiver = AsgiReceiver(mirror="postgresql://…", secrets=os.environ["MIRROR_PUSH_SECRET"])
    app.router.routes.append(Route("/mirror", receiver))

In deployment: the body must arrive as it was sent, byte for byte, and the clock of the host counts. Put the receiver
outside of the paywall, or exempt its path. How long a body may take to arrive is the server's to limit under WSGI.
`MIRROR_PUSH_URL` must name the path as it is, with or without its last slash: Queue follows no redirect, and
Starlette's `mount("/mirror", …)` answers only below `/mirror/`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from py_paywall import _alerts, _completions, _native
from py_paywall._mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse

    from py_paywall._native import Answered
    from py_paywall.asgi import Receive, Scope, Send

logger = logging.getLogger("py_paywall")

#: Seconds that a body may take to arrive.
_BODY_SECONDS = 10.0
_MAX_BODY_BYTES = _native.Receiver.MAX_BODY_BYTES
_HEADER = _native.Receiver.SIGNATURE_HEADER

_NOT_POST = (405, [("allow", "POST"), ("cache-control", "no-store"), ("content-length", "0")], b"")
_NOT_ARRIVED = (408, [("cache-control", "no-store"), ("content-length", "0")], b"")
_Answer = tuple[int, list[tuple[str, str]], bytes]


class _Receiver:
    """What both interfaces share.

    :param mirror: the mirror, or its URL. The database's role needs `select`, `insert` and `update`.
    :param secrets: `MIRROR_PUSH_SECRET`; several with commas between while they rotate.
    :param tolerance_seconds: how far a signed time may lie from ours, on either side.
    :raises ValueError: for secrets that are empty or blank.
    """

    def __init__(self, *, mirror: Mirror | str, secrets: str, tolerance_seconds: int = 300) -> None:
        self.mirror = mirror if isinstance(mirror, Mirror) else Mirror.connect(mirror)
        self._receiver = _native.Receiver(self.mirror._native, secrets, tolerance_seconds)

    @staticmethod
    def _told(answered: Answered) -> _Answer:
        if answered.status == HTTPStatus.OK:
            logger.debug("a push was applied", extra={"rows": answered.rows})
        elif answered.status == HTTPStatus.BAD_REQUEST:
            # Anybody can send these: a flood must not fill the log.
            logger.debug("a push was not believed: %s", answered.reason, extra={"code": answered.reason})
            with contextlib.suppress(Exception):
                _alerts.alerts.signature_failed()
        else:
            logger.warning("a push was not applied: %s", answered.reason, extra={"code": answered.reason})
        body = answered.body
        return answered.status, [*answered.headers, ("content-length", str(len(body)))], body


class AsgiReceiver(_Receiver):
    """An ASGI application that takes pushes, at whatever path it stands."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await _lifespan(receive, send)
        if scope["type"] != "http":
            raise NotImplementedError(f"pushes come over HTTP, not {scope['type']!r}")
        status, headers, body = await self._answer(scope, receive)
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": body})
        return None

    async def _answer(self, scope: Scope, receive: Receive) -> _Answer:
        if scope["method"] != "POST":
            return _NOT_POST
        signatures = [value for name, value in scope["headers"] if name.lower() == _HEADER.encode()]
        try:
            body = await asyncio.wait_for(_read(receive), _BODY_SECONDS)
        except (asyncio.TimeoutError, OSError):
            return _NOT_ARRIVED
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answered] = loop.create_future()
        self._receiver.submit(body, signatures, _completions.of(loop), future)
        return self._told(await future)


class WsgiReceiver(_Receiver):
    """A WSGI application that takes pushes, at whatever path it stands."""

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        status, headers, body = self._answer(environ)
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [body]

    def _answer(self, environ: dict[str, Any]) -> _Answer:
        if environ["REQUEST_METHOD"] != "POST":
            return _NOT_POST
        # One more than is looked at: what is larger is refused for that.
        try:
            body = environ["wsgi.input"].read(min(_length(environ), _MAX_BODY_BYTES + 1))
        except OSError:
            return _NOT_ARRIVED
        # Servers join the values of a header that comes more than once with commas; `t` stands there twice then.
        signature = environ.get(f"HTTP_{_HEADER.upper().replace('-', '_')}")
        signatures = [] if signature is None else [signature]
        return self._told(self._receiver.receive(body, signatures))


def _length(environ: dict[str, Any]) -> int:
    """What is to be read: all that was announced, or where the server marks the end itself, all there is."""
    announced = environ.get("CONTENT_LENGTH") or ""
    if announced.isascii() and announced.isdigit():
        # Python reads no number of thousands of digits, and nobody needs one.
        return int(announced) if len(announced) <= 20 else _MAX_BODY_BYTES + 1
    return _MAX_BODY_BYTES + 1 if environ.get("wsgi.input_terminated") else 0


async def _read(receive: Receive) -> bytes:
    """The body, or as much of it as shows that it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        body += message.get("body", b"")
        if len(body) > _MAX_BODY_BYTES or not message.get("more_body", False):
            return bytes(body)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
