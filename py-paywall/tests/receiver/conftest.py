"""Receivers to test: each test runs with both."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from py_paywall.receiver import AsgiReceiver, WsgiReceiver
from receiver.pushes import SECRET, Ask, of_asgi, of_wsgi

from conftest import SqliteMirror

#: Makes a receiver for a mirror and its secrets.
Make = Callable[..., Ask]


@pytest.fixture(params=["asgi", "wsgi"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a receiver of either kind."""

    def make(mirror: str, secrets: str = SECRET, **settings: int) -> Ask:
        if request.param == "asgi":
            return of_asgi(AsgiReceiver(mirror=mirror, secrets=secrets, **settings))
        return of_wsgi(WsgiReceiver(mirror=mirror, secrets=secrets, **settings))

    return make


@pytest.fixture
def ask(make: Make, table: SqliteMirror) -> Ask:
    """A receiver of the table's rows."""
    return make(table.url)
