"""What the doctor says about what was seen: every fault has a line, and every line to mend a remedy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import cast

import pytest

from py_paywall import doctor
from py_paywall.doctor import Inspection

NOW = datetime(2027, 1, 15, 8, tzinfo=timezone.utc)


def healthy(dialect: str = "postgresql") -> Inspection:
    instant = "timestamp with time zone" if dialect == "postgresql" else "text"
    constraints = ["billing_subscription_mirror_pkey"]
    if dialect == "sqlite":
        constraints += [f"billing_subscription_mirror_{name}_check" for name in ("period_end", "updated_at")]
    return {
        "reachable": True,
        "error": None,
        "dialect": dialect,
        "table": True,
        "columns": [
            {"name": "queue_customer_id", "type": "text", "nullable": False},
            {"name": "plan_tier", "type": "text", "nullable": False},
            {"name": "status", "type": "text", "nullable": False},
            {"name": "current_period_end", "type": instant, "nullable": True},
            {"name": "updated_at", "type": instant, "nullable": False},
        ],
        "constraints": constraints,
        "rights": {"select": True, "insert": False, "update": False},
        "database_time": "2027-01-15 08:00:00.250000",
        "rows": 3,
        "newest_updated_at": "2027-01-15 07:59:17.000001",
        "malformed_rows": 0,
    }


def lines(seen: Inspection, *, receiver: bool = False) -> list[str]:
    later = NOW + timedelta(seconds=1)
    return [str(line) for line in doctor.examine(seen, asked_at=NOW, answered_at=later, receiver=receiver)]


def unwell(seen: Inspection, *, receiver: bool = False) -> list[str]:
    return [line for line in lines(seen, receiver=receiver) if not line.startswith("ok")]


@pytest.mark.parametrize("dialect", ["postgresql", "sqlite"])
def test_a_healthy_mirror_has_nothing_to_mend(dialect: str) -> None:
    assert unwell(healthy(dialect)) == []
    assert lines(healthy(dialect)) == [
        f"ok   database: {dialect} answers",
        "ok   table: billing_subscription_mirror is as the migration makes it",
        "ok   rights: a gate can select",
        *(["ok   clock: the database's and ours agree"] if dialect == "postgresql" else []),
        "ok   rows: 3, and every one can be believed",
        "ok   feed: the newest row is 43 seconds old",
    ]


def test_a_database_that_does_not_answer_is_all_that_is_said() -> None:
    nothing: Inspection = {
        "reachable": False,
        "error": "timed_out",
        "dialect": "",
        "table": False,
        "columns": [],
        "constraints": [],
        "rights": {"select": False, "insert": False, "update": False},
        "database_time": None,
    }
    assert lines(nothing) == [
        "mend database: does not answer (timed_out) -> check host and port, and the firewall between; or give it "
        "longer with --timeout"
    ]
    for error in ("database_unavailable", None):
        (line,) = lines({**nothing, "error": error})
        assert "check host, port, name, role and password" in line


def test_a_missing_table_says_how_to_make_it() -> None:
    seen = healthy()
    seen["table"] = False
    (line,) = unwell(seen)
    assert line.startswith("mend table: there is no billing_subscription_mirror -> `py-paywall alembic-revision`")


def _set(seen: Inspection, **changes: object) -> None:
    cast("dict[str, object]", seen).update(changes)


def _column(seen: Inspection, number: int, **changes: object) -> None:
    seen["columns"] = copy.deepcopy(list(seen["columns"]))
    seen["columns"][number].update(changes)  # type: ignore[typeddict-item]


CASES: list[tuple[str, Callable[[Inspection], object], str]] = [
    ("postgresql", lambda s: _set(s, columns=s["columns"][1:]), "mend column queue_customer_id: is missing"),
    (
        "postgresql",
        lambda s: _column(s, 1, type="integer"),
        "mend column plan_tier: is integer -> alter its type to text",
    ),
    (
        "postgresql",
        lambda s: _column(s, 4, type="timestamp without time zone"),
        "mend column updated_at: is timestamp without time zone -> alter its type to timestamp with time zone",
    ),
    ("sqlite", lambda s: _column(s, 3, type="timestamp"), "mend column current_period_end: is timestamp"),
    ("postgresql", lambda s: _column(s, 2, nullable=True), "mend column status: may be null -> set it not null"),
    ("postgresql", lambda s: _column(s, 3, nullable=False), "mend column current_period_end: is not null"),
    ("postgresql", lambda s: _set(s, constraints=[]), "mend table: billing_subscription_mirror_pkey is missing"),
    (
        "sqlite",
        lambda s: _set(s, constraints=s["constraints"][:2]),
        "mend table: billing_subscription_mirror_updated_at_check is missing",
    ),
    (
        "postgresql",
        lambda s: _set(s, columns=[*s["columns"], {"name": "note", "type": "text", "nullable": False}]),
        "note column note: is not the mirror's and is not null -> see that it has a default",
    ),
    (
        "postgresql",
        lambda s: _set(s, columns=[*s["columns"], {"name": "note", "type": "text", "nullable": True}]),
        "note column note: is not the mirror's; Queue leaves it alone",
    ),
    (
        "postgresql",
        lambda s: _set(s, rights={"select": True, "insert": True, "update": False}),
        "note rights: this role may also write the table",
    ),
    (
        "postgresql",
        lambda s: _set(s, database_time="2027-01-15 08:02:00.000000"),
        "mend clock: the database's and ours are 119 seconds apart",
    ),
    (
        "postgresql",
        lambda s: _set(s, database_time="2027-01-15 05:00:00.000000"),
        "mend clock: the database's and ours are 3 hours apart",
    ),
    ("postgresql", lambda s: _set(s, database_time=None), "note clock: the database does not say"),
    (
        "postgresql",
        lambda s: _set(s, rows=0, newest_updated_at=None),
        "mend rows: there is none, so a gate refuses everyone",
    ),
    ("postgresql", lambda s: _set(s, malformed_rows=2), "mend rows: 2 of 3 can't be believed"),
    ("postgresql", lambda s: _set(s, rows=None), "mend rows: can't be read"),
    (
        "postgresql",
        lambda s: _set(s, newest_updated_at="2027-01-10 08:00:00.000000"),
        "note feed: the newest row is 5 days old",
    ),
    (
        "postgresql",
        lambda s: _set(s, newest_updated_at="2027-01-15 09:00:01.000000"),
        "mend feed: the newest row is 60 minutes ahead",
    ),
]


@pytest.mark.parametrize(("dialect", "change", "line"), CASES, ids=[line for _, _, line in CASES])
def test_a_fault_is_one_line_with_its_remedy(dialect: str, change: Callable[[Inspection], object], line: str) -> None:
    seen = healthy(dialect)
    change(seen)
    (said,) = unwell(seen)
    assert said.startswith(line)
    assert said.startswith("note") or " -> " in said


def test_rights_are_those_of_the_part_that_is_played() -> None:
    seen = healthy()
    seen["rights"] = {"select": True, "insert": True, "update": True}
    assert unwell(seen, receiver=True) == []
    seen["rights"] = {"select": True, "insert": False, "update": False}
    assert unwell(seen, receiver=True) == [
        "mend rights: a receiver can't insert, update -> grant insert, update on billing_subscription_mirror "
        "to the URL's role"
    ]
    seen["dialect"] = "sqlite"
    assert "mend rights: a receiver can't insert, update -> give this user rights to the file" in lines(
        seen, receiver=True
    )


def test_rows_that_may_not_be_read_are_not_looked_at() -> None:
    seen = healthy()
    seen["rights"] = {"select": False, "insert": False, "update": False}
    for name in ("rows", "newest_updated_at", "malformed_rows"):
        del seen[name]  # type: ignore[misc]
    assert unwell(seen) == [
        "mend rights: a gate can't select -> grant select on billing_subscription_mirror to the URL's role"
    ]


def test_what_a_host_made_by_hand_passes_where_it_reads_the_same() -> None:
    seen = healthy()
    _column(seen, 1, type="character varying(32)")
    assert unwell(seen) == []
