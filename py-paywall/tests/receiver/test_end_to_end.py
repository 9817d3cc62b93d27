"""From sign-up and Stripe's events to the gate: a real `queue-server` pushes to a receiver in a real web server."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from audit.queue_server import TOKEN, QueueServer
from py_paywall.signup import Queue
from servers.web_server import WebServer, free_port

from conftest import SqliteMirror

_FOLDER = os.environ.get("BILLING_BIN_DIR", "")
_BINARY = Path(_FOLDER, "queue-server")
pytestmark = pytest.mark.skipif(
    not (_FOLDER and _BINARY.is_file()), reason="BILLING_BIN_DIR names no folder with the binary queue-server"
)

FIRST, SECOND = "the first secret of pushes", "the second secret of pushes"
_IDS = itertools.count()

UVICORN = ["uvicorn", "{app}:app", "--host", "{host}", "--port", "{port}", "--log-level", "warning"]
GUNICORN = ["gunicorn", "{app}:app", "--bind", "{host}:{port}", "--workers", "2", "--preload", "--log-level", "warning"]


def event(event_type: str, thing: dict[str, Any]) -> dict[str, Any]:
    """An event of Stripe's."""
    return {
        "id": f"evt_{next(_IDS)}",
        "object": "event",
        "type": event_type,
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": thing},
    }


def customer(number: int) -> dict[str, Any]:
    metadata = {"queue_customer_id": f"user-{number}"}
    return event("customer.created", {"id": f"cus_{number}", "object": "customer", "metadata": metadata})


def subscription(number: int, what: str, status: str = "active") -> dict[str, Any]:
    item = {"price": {"id": "price_pro"}, "quantity": 1, "current_period_end": int(time.time()) + 86_400}
    thing = {
        "id": f"sub_{number}",
        "object": "subscription",
        "customer": f"cus_{number}",
        "status": status,
        "items": {"data": [item]},
    }
    return event(f"customer.subscription.{what}", thing)


def eventually(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, f"not within a minute: {what}"
        time.sleep(0.05)


class Application:
    """A gated application with a receiver, on a port that stays the same."""

    def __init__(self, kind: str, table: SqliteMirror, folder: Path) -> None:
        self._command, self._app = {
            "uvicorn": (UVICORN, "servers.asgi_app"),
            "gunicorn": (GUNICORN, "servers.wsgi_app"),
        }[kind]
        self._environment = {"MIRROR_DATABASE_URL": table.url, "HANDLED_FOLDER": str(folder)}
        self._folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}/mirror"

    @contextmanager
    def running(self, secrets: str) -> Iterator[WebServer]:
        environment = {**self._environment, "MIRROR_PUSH_SECRET": secrets, "MIRROR_USED_AT_IMPORT": "1"}
        server = WebServer(self._command, self._app, self._folder, environment, self.port)
        with server.running():
            yield server


@pytest.fixture(params=["uvicorn", "gunicorn"])
def application(request: pytest.FixtureRequest, table: SqliteMirror, tmp_path: Path) -> Application:
    return Application(request.param, table, tmp_path)


def queue_server(application: Application, folder: Path, secrets: str) -> QueueServer:
    return QueueServer(_BINARY, folder, MIRROR_PUSH_URL=application.url, MIRROR_PUSH_SECRET=secrets)


def test_who_signs_up_is_refused_until_stripe_says_that_they_paid(application: Application, tmp_path: Path) -> None:
    server = queue_server(application, tmp_path, FIRST)
    with application.running(FIRST) as app, server.running() as address, Queue(address, token=TOKEN) as queue:
        queue.register("user-1")
        queue.register("user-1")
        eventually("the row of a sign-up arrives", lambda: codes(application, tmp_path) == {"user-1": "none"})
        assert app.ask("/reports", "user-1") == 402
        assert server.deliver_event(address, customer(1)) == "applied"
        assert server.deliver_event(address, subscription(1, "created")) == "applied"
        eventually("the gate opens", lambda: app.ask("/reports", "user-1") == 200)
        assert server.deliver_event(address, subscription(1, "deleted", "canceled")) == "applied"
        eventually("the gate closes", lambda: app.ask("/reports", "user-1") == 402)
        assert app.ask("/reports", "user-2") == 402
        assert app.ask("/reports") == 401


def test_a_receiver_that_was_down_is_caught_up_with(application: Application, tmp_path: Path) -> None:
    server = queue_server(application, tmp_path, FIRST)
    with server.running() as address:
        with application.running(FIRST) as app:
            server.deliver_event(address, customer(1))
            server.deliver_event(address, subscription(1, "created"))
            eventually("the gate opens", lambda: app.ask("/reports", "user-1") == 200)
        # Nobody is there. Stripe's events are taken all the same, and none of them is lost.
        for number in range(2, 30):
            assert server.deliver_event(address, customer(number)) == "applied"
            assert server.deliver_event(address, subscription(number, "created")) == "applied"
        assert server.deliver_event(address, subscription(1, "deleted", "canceled")) == "applied"
        with application.running(FIRST) as app:
            expected = {"user-1": "canceled", **{f"user-{number}": "active" for number in range(2, 30)}}
            eventually("all rows arrive", lambda: codes(application, tmp_path) == expected)
            assert [app.ask("/reports", f"user-{number}") for number in (1, 2, 29)] == [402, 200, 200]


def test_the_secret_is_changed_and_nothing_is_lost(application: Application, tmp_path: Path) -> None:
    both = f"{FIRST},{SECOND}"
    number = 0
    for receives, signs in ((FIRST, FIRST), (both, FIRST), (both, both), (SECOND, both), (SECOND, SECOND)):
        server = queue_server(application, tmp_path, signs)
        with application.running(receives) as app, server.running() as address:
            number += 1
            server.deliver_event(address, customer(number))
            server.deliver_event(address, subscription(number, "created"))
            eventually("the gate opens", lambda app=app, user=f"user-{number}": app.ask("/reports", user) == 200)  # type: ignore[misc]
    # Who changes one side alone is told no row, until the other knows the secret.
    server = queue_server(application, tmp_path, FIRST)
    with application.running(SECOND) as app, server.running() as address:
        server.deliver_event(address, subscription(1, "deleted", "canceled"))
        eventually("it is told of", lambda: "signature" in app.log.read_text() or "400" in server.log.read_text())
        assert app.ask("/reports", "user-1") == 200
    with application.running(FIRST) as app, server.running():
        eventually("the gate closes", lambda: app.ask("/reports", "user-1") == 402)


def codes(application: Application, folder: Path) -> dict[Any, Any]:
    """The statuses in the mirror."""
    rows = SqliteMirror(folder / "app.db").execute("select queue_customer_id, status from billing_subscription_mirror")
    return dict(rows)  # type: ignore[arg-type]
