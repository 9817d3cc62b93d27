"""Databases of their own, empty, for each test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

_POSTGRES_URL = os.environ.get("TEST_POSTGRES_URL", "")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, for SQLAlchemy with a driver that blocks."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/host.db"
        return
    if not _POSTGRES_URL:
        pytest.skip("TEST_POSTGRES_URL is no superuser's URL of a PostgreSQL to make databases on")
    server = sa.make_url(_POSTGRES_URL).set(drivername="postgresql+psycopg")
    name = f"py_paywall_host_{uuid.uuid4().hex}"
    _run(server, f"create database {name}")
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        _run(server, f"drop database {name} with (force)")


@pytest.fixture
def async_database_url(database_url: str) -> str:
    """The same for a driver that does not block."""
    driver = {"sqlite": "sqlite+aiosqlite", "postgresql+psycopg": "postgresql+asyncpg"}
    url = sa.make_url(database_url)
    return url.set(drivername=driver[url.drivername]).render_as_string(hide_password=False)


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """Connects to it."""
    engine = sa.create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def _in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host's commands run where its `alembic.ini` is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALEMBIC_CONFIG", raising=False)


def _run(server: sa.URL, statement: str) -> None:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()
