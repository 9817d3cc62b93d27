"""A real `queue-server` on a database of its own: started, fed with signed events, stopped, looked at."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from audit.chain import KEY

_SECRET = "whsec_" + "s" * 32
_PATIENCE_SECONDS = 30
#: What its internal callers show.
TOKEN = "token-for-tests-only"


class QueueServer:
    """:param settings: further variables of its environment."""

    def __init__(self, binary: Path, folder: Path, **settings: str) -> None:
        self._binary = binary
        self.database = folder / "queue.db"
        self.log = folder / "queue.log"
        self._environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR")},
            "DATABASE_URL": f"sqlite://{self.database}",
            "STRIPE_WEBHOOK_SECRET": _SECRET,
            "BILLING_AUDIT_KEY": KEY,
            "QUEUE_INTERNAL_TOKEN": TOKEN,
            "STRIPE_PRICE_ID_PRO": "price_pro",
            "STRIPE_PRICE_ID_PRO_PLUS": "price_pro_plus",
            "FLAG_QUEUE_BILLING": "true",
            "HOST": "127.0.0.1",
            **settings,
        }

    @contextmanager
    def running(self) -> Iterator[str]:
        """Its address, while it runs."""
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = free.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        environment = {**self._environment, "PORT": str(port)}
        call = [str(self._binary), "serve"]
        with (
            self.log.open("ab") as log,
            subprocess.Popen(call, env=environment, stdout=subprocess.DEVNULL, stderr=log) as server,
        ):
            try:
                self._wait_for(address, server)
                yield address
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(timeout=_PATIENCE_SECONDS)

    def _wait_for(self, address: str, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{address}/readyz", timeout=5):
                    return
            except OSError as error:
                if server.poll() is not None or time.monotonic() > deadline:
                    server.kill()
                    raise RuntimeError(f"queue-server did not start: {self.log.read_text()}") from error
                time.sleep(0.05)

    def deliver(self, address: str, number: int) -> str:
        """Delivers `customer.created`; answers the outcome."""
        return self.deliver_event(address, _customer_created(number))

    @staticmethod
    def deliver_event(address: str, event: dict[str, Any]) -> str:
        """Delivers an event, signed as Stripe does; answers the outcome."""
        body = json.dumps(event).encode()
        at = str(int(time.time()))
        mac = hmac.new(_SECRET.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
        request = urllib.request.Request(
            f"{address}/api/v1/billing/webhook",
            data=body,
            headers={"stripe-signature": f"t={at},v1={mac}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS) as answer:
            outcome: str = json.load(answer)["outcome"]
        return outcome

    def audit(self, command: str) -> subprocess.CompletedProcess[bytes]:
        """`queue-server audit head | export | verify`."""
        return subprocess.run(
            [self._binary, "audit", command], env=self._environment, capture_output=True, timeout=_PATIENCE_SECONDS
        )

    def tamper(self, change: str) -> None:
        """Changes the chain's tables as somebody would who has the file, and not the key."""
        with closing(sqlite3.connect(self.database)) as database:
            triggers = database.execute("select name from sqlite_schema where type = 'trigger'").fetchall()
            for (name,) in triggers:
                if name.startswith("billing_action_log"):
                    database.execute(f"drop trigger {name}")
            database.execute(change)
            database.commit()


def _customer_created(number: int) -> dict[str, Any]:
    now = int(time.time())
    customer = {
        "id": f"cus_{number}",
        "object": "customer",
        "created": now,
        "livemode": False,
        "email": f"{number}@example.com",
        "metadata": {"queue_customer_id": f"customer-{number}"},
    }
    return {
        "id": f"evt_{number}",
        "object": "event",
        "type": "customer.created",
        "api_version": "2025-03-31.basil",
        "created": now,
        "livemode": False,
        "data": {"object": customer},
    }
