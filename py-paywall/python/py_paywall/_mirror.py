"""The mirror: one row per customer, and what it says of them now."""

from __future__ import annotations

import logging
import os
from asyncio import get_running_loop
from typing import TYPE_CHECKING

from py_paywall import _completions, _native
from py_paywall._native import Decision, Gate

if TYPE_CHECKING:
    from asyncio import Future

logger = logging.getLogger("py_paywall")


class Mirror:
    """A reader of `billing_subscription_mirror` in a database.

    It connects when it is first asked, and again by itself whenever the database was away; it
    survives forks, and serves any number of threads and event loops. Reads that come while others
    are under way share their queries.

    Faults of the mirror raise nothing: they are decisions, and none of them allows.
    """

    __slots__ = ("_gates", "_native")

    def __init__(self, url: str, *, connections: int = 2, timeout: float = 1.0) -> None:
        """See `connect`."""
        self._native = _native.Mirror(url, connections, timeout)
        self._gates: dict[str, Gate] = {}

    @classmethod
    def connect(cls, url: str, *, connections: int = 2, timeout: float = 1.0) -> Mirror:
        """The mirror in the database of a URL.

        :param url: `postgresql://USER@HOST/NAME`, `sqlite:///relative/path` or `sqlite:////absolute/path`,
            as SQLAlchemy writes them; a driver's name (`postgresql+psycopg://`) is passed over.
        :param connections: how many connections at most, and so how many queries at once.
        :param timeout: seconds after which a mirror that does not answer counts as unknown.
        :raises ValueError: for any other URL, and numbers that make no sense.
        """
        return cls(url, connections=connections, timeout=timeout)

    def decide(self, customer_id: str | None, tier: str | Gate) -> Decision:
        """Whether this customer may have what asks for this tier, now. Blocks, for `timeout` at most.

        :raises ValueError: for a tier that nobody pays for.
        """
        return self._native.decide(customer_id, self._gate(tier))

    def adecide(self, customer_id: str | None, tier: str | Gate) -> Future[Decision]:
        """The same, to be awaited.

        :raises ValueError: for a tier that nobody pays for.
        :raises RuntimeError: outside of a running event loop.
        """
        loop = get_running_loop()
        future: Future[Decision] = loop.create_future()
        self._native.submit(customer_id, self._gate(tier), _completions.of(loop), future)
        return future

    def close(self) -> None:
        """Ends the connections of this process. Asked again, it connects again."""
        self._native.close()

    def _gate(self, tier: str | Gate) -> Gate:
        if isinstance(tier, Gate):
            return tier
        gate = self._gates.get(tier)
        if gate is None:
            gate = self._gates[tier] = Gate(tier)
        return gate

    def __repr__(self) -> str:
        return "Mirror()"  # The URL may hold a password.


def _before_fork() -> None:
    if not _native.before_fork():
        logger.error("a fork did not wait for a read of SQLite that hangs: in its child, mirrors in SQLite stay closed")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_native.after_fork)
