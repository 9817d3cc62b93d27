"""Mirrors for servers to read, in either database, with a way to write ada's row."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from conftest import SqliteMirror

_UPDATE = "update billing_subscription_mirror set plan_tier = {0}, status = {0} where queue_customer_id = 'ada'"


@dataclass
class Mirror:
    url: str
    #: Writes ada's tier and status; done when it is committed.
    put: Callable[[str, str], None]


@contextmanager
def in_sqlite(table: SqliteMirror) -> Iterator[Mirror]:
    """In a file with a write-ahead log, as Queue and most hosts set one up."""
    for customer in ("ada", "bob"):
        table.put(customer)
    table.put("eve", tier="free", status="none", period_end=None)
    with closing(sqlite3.connect(table.path, timeout=30, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("pragma journal_mode = wal")
        lock = threading.Lock()

        def put(tier: str, status: str) -> None:
            with lock:
                connection.execute(_UPDATE.format("?"), (tier, status))

        yield Mirror(table.url, put)


@contextmanager
def in_postgres(url: str) -> Iterator[Mirror]:
    """In a PostgreSQL database."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "insert into billing_subscription_mirror values ('ada', 'pro', 'active', now() + interval '1 day', now()), "
            "('bob', 'pro', 'active', now() + interval '1 day', now()), ('eve', 'free', 'none', null, now())"
        )

        def put(tier: str, status: str) -> None:
            connection.execute(_UPDATE.format("%s"), (tier, status))

        yield Mirror(url, put)
