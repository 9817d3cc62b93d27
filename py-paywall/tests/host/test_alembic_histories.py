"""The table in a host's history, both ways: it comes, it goes, and autogenerate finds nothing to change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from host.application import MODEL, NOTHING, TABLE, Host
from py_paywall import _native, cli

_TABLE = "billing_subscription_mirror"


def by_branch(host: Host) -> str:
    """Answers what to downgrade to, to lose the table alone."""
    host.includes_our_branch()
    return "py_paywall@base"


def by_written_revision(host: Host) -> str:
    before = host.heads()
    assert cli.main(["alembic-revision"]) == 0
    return before[0] if before else "base"


WAYS = pytest.mark.parametrize("way", [by_branch, by_written_revision])


def has(engine: sa.Engine, table: str) -> bool:
    return sa.inspect(engine).has_table(table)


def definition(engine: sa.Engine) -> object:
    """What the database itself says that the table is."""
    queries = {
        "sqlite": f"select sql from sqlite_schema where tbl_name = '{_TABLE}' order by name",
        "postgresql": f"""
            select attname, format_type(atttypid, atttypmod), attnotnull, null from pg_attribute
            where attrelid = '{_TABLE}'::regclass and attnum > 0
            union all
            select conname, pg_get_constraintdef(oid), null, contype from pg_constraint
            where conrelid = '{_TABLE}'::regclass order by 1
        """,
    }
    with engine.connect() as connection:
        return connection.execute(sa.text(queries[engine.dialect.name])).fetchall()


@WAYS
def test_the_table_is_the_very_one_of_the_migration_and_goes_again(
    way: Callable[[Host], str], database_url: str, engine: sa.Engine, tmp_path: Path
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(_native.mirror_migration(engine.dialect.name)[0])
    expected = definition(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(_native.mirror_migration(engine.dialect.name)[1])

    host = Host(tmp_path, database_url)
    host.adds("host_table")
    before = way(host)
    host.upgrade()
    assert definition(engine) == expected
    assert has(engine, "host_table")
    host.downgrade(before)
    assert not has(engine, _TABLE)
    assert has(engine, "host_table")
    host.upgrade()
    assert definition(engine) == expected


@WAYS
@pytest.mark.parametrize(
    ("metadata", "filter_name"),
    [
        (MODEL, None),
        (TABLE, None),
        (MODEL, "include_object"),
        (NOTHING, "include_object"),
        (NOTHING, "include_name"),
    ],
)
def test_autogenerate_finds_no_difference_with_the_model_or_the_filter(
    way: Callable[[Host], str], metadata: str, filter_name: str | None, database_url: str, tmp_path: Path
) -> None:
    host = Host(tmp_path, database_url)
    way(host)
    host.upgrade()
    assert "remove_table" in host.differences(), "without either, it would drop the table: this test can fail"
    host.knows(metadata, filter_name=filter_name)
    assert host.differences() == ""


@WAYS
def test_a_host_with_history_goes_on_with_it_afterwards(
    way: Callable[[Host], str], database_url: str, engine: sa.Engine, tmp_path: Path
) -> None:
    host = Host(tmp_path, database_url)
    host.adds("first")
    host.upgrade()
    latest = host.adds("second", label="app")
    way(host)
    host.upgrade()
    host.adds("third", head="app@head")
    host.upgrade()
    assert all(has(engine, table) for table in ("first", "second", "third", _TABLE))
    assert latest not in host.heads()


@WAYS
def test_a_host_with_an_async_engine_migrates_likewise(
    way: Callable[[Host], str], async_database_url: str, engine: sa.Engine, tmp_path: Path
) -> None:
    host = Host(tmp_path, async_database_url, template="async")
    host.knows(MODEL)
    host.adds("host_table")
    before = way(host)
    host.upgrade()
    assert has(engine, _TABLE)
    assert f"('remove_table', Table('{_TABLE}'" not in host.differences()
    host.downgrade(before)
    assert not has(engine, _TABLE)


@WAYS
def test_the_sql_that_alembic_prints_is_the_migration_verbatim(
    way: Callable[[Host], str], database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = Host(tmp_path, database_url)
    way(host)
    capsys.readouterr()
    from alembic import command

    command.upgrade(host.config, "heads", sql=True)
    up, _ = _native.mirror_migration(database_url.partition("+")[0].partition(":")[0])
    assert up.rstrip().rstrip(";") in capsys.readouterr().out
