"""A mirror that flips while clients ask, and whether what they were answered was true at any moment of their asking.

A flip is true from some moment within its commit on, and nobody outside the database knows which: so a state holds
*perhaps* from before its commit began until after that of the next one ended. An answer is wrong if no state that held
perhaps at some moment between its request and its answer gives it.
"""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from types import TracebackType

#: The rows that ada has in turn, and what they are answered with.
STATES: Sequence[tuple[str, str, int]] = [
    ("pro", "active", 200),
    ("pro", "past_due", 402),
    ("pro", "trialing", 200),
    ("free", "active", 402),
    ("pro_plus", "active", 200),
    ("pro", "canceled", 402),
]
#: What the customers are answered with whose rows never change: bob has paid, eve never has.
CONSTANT = {"bob": 200, "eve": 402}


@dataclass
class Held:
    """A state of ada's row: what it answers, and when it held perhaps."""

    status: int
    since: float
    until: float = float("inf")


@dataclass
class Seen:
    """An answer, and when it was asked for and had."""

    customer: str
    start: float
    end: float
    status: int
    code: str


class Flipper:
    """Changes ada's row again and again, in a thread of its own.

    :param put: writes ada's tier and status, and returns after the commit.
    """

    def __init__(self, put: Callable[[str, str], None], pause: float = 0.02) -> None:
        self._put, self._pause = put, pause
        self.held: list[Held] = []
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="flipper")

    def _flip(self, tier: str, status: str, answer: int) -> None:
        before = time.monotonic()
        self._put(tier, status)
        after = time.monotonic()
        if self.held:
            self.held[-1].until = after
        self.held.append(Held(answer, before))

    def _run(self) -> None:
        try:
            for state in itertools.cycle(STATES):
                if self._stop.wait(self._pause):
                    return
                self._flip(*state)
        except BaseException as error:
            self._error = error

    def __enter__(self) -> Flipper:
        # The first state is there before anybody asks.
        self._flip(*STATES[-1])
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def explains(self, seen: Seen) -> bool:
        """Whether an answer was true at some moment of its asking."""
        if seen.customer in CONSTANT:
            return seen.status == CONSTANT[seen.customer]
        return any(
            held.status == seen.status and held.since <= seen.end and seen.start <= held.until for held in self.held
        )


@dataclass
class Checker:
    """Clients that ask one after the other, and write down what they were answered.

    :ivar cut: how many connections ended without an answer.
    """

    port: int
    threads: int = 4
    seen: list[Seen] = field(default_factory=list)
    cut: int = 0

    def __enter__(self) -> Checker:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, name="checker") for _ in range(self.threads)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            for customer in itertools.cycle(["ada", "ada", "bob", "eve"]):
                if self._stop.is_set():
                    return
                start = time.monotonic()
                try:
                    connection.request("GET", "/reports", headers={"x-customer": customer})
                    response = connection.getresponse()
                    body = response.read()
                except (OSError, http.client.HTTPException):
                    connection.close()
                    self.cut += 1
                    continue
                end = time.monotonic()
                self.seen.append(Seen(customer, start, end, response.status, _code(body)))


def _code(body: bytes) -> str:
    try:
        return str(json.loads(body).get("code", ""))
    except ValueError:
        return "no JSON"
