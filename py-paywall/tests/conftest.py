"""Mirrors to test against: a SQLite file each, and where there is a server, a PostgreSQL database."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from py_paywall._native import mirror_migration

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]


def text(instant: datetime) -> str:
    """An instant as a mirror in SQLite holds it."""
    return instant.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")


def in_hours(hours: float) -> str:
    """So many hours from now."""
    return text(datetime.now(timezone.utc) + timedelta(hours=hours))


@dataclass
class SqliteMirror:
    """A mirror in a SQLite file. What the host and Queue would do to it, as verbs."""

    path: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def execute(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(self.path)
        try:
            with connection:
                return connection.execute(sql, parameters).fetchall()
        finally:
            connection.close()

    def put(
        self,
        customer: str,
        tier: str | None = "pro",
        status: str | None = "active",
        period_end: str | None = "",
        updated_at: str | None = "2026-01-01 00:00:00.000000",
    ) -> None:
        """A customer's row; without more words, one who paid until tomorrow."""
        if period_end == "":
            period_end = in_hours(24)
        self.execute(
            "insert or replace into billing_subscription_mirror values (?, ?, ?, ?, ?)",
            customer,
            tier,
            status,
            period_end,
            updated_at,
        )

    def make_loose(self) -> None:
        """Replaces the table by one of somebody's own making, which takes anything."""
        self.execute("drop table billing_subscription_mirror")
        self.execute(
            "create table billing_subscription_mirror "
            "(queue_customer_id primary key, plan_tier, status, current_period_end, updated_at)"
        )


@pytest.fixture
def table(tmp_path: Path) -> SqliteMirror:
    """An empty mirror."""
    mirror = SqliteMirror(tmp_path / "app.db")
    up, _down = mirror_migration("sqlite")
    mirror.execute(up)
    return mirror


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The URL of a server whose role may create databases."""
    url = os.environ.get("TEST_POSTGRES_URL")
    if not url:
        pytest.skip("TEST_POSTGRES_URL names no PostgreSQL server: `cargo xtask test` starts one")
    return url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of a database of the test's own, with a mirror's table in it."""
    import uuid

    import psycopg

    name = f"paywall_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database {name} template template0")
    base, _, _ = postgres_server.rpartition("/")
    url = f"{base}/{name}"
    up, _down = mirror_migration("postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(up)
    yield url
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")
