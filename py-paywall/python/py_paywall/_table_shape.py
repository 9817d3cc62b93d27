"""Whether ``billing_subscription_mirror`` is the table that the migration makes."""

from __future__ import annotations

from collections.abc import Iterator

from py_paywall._inspection import Finding, Inspection

_TEXTS = ("queue_customer_id", "plan_tier", "status")
_INSTANTS = ("current_period_end", "updated_at")
_NULLABLE = frozenset(("current_period_end",))
_PRIMARY_KEY = "billing_subscription_mirror_pkey"
_CHECKS = ("billing_subscription_mirror_period_end_check", "billing_subscription_mirror_updated_at_check")

# Also text: hosts that made the table by hand often took these.
_TEXT_TYPES = {"postgresql": ("text", "character varying", "varchar"), "sqlite": ("text",)}
_INSTANT_TYPES = {"postgresql": ("timestamp with time zone", "timestamptz"), "sqlite": ("text",)}


def examine(seen: Inspection) -> Iterator[Finding]:
    """Says in what it differs, or that it does not."""
    found = [*_columns(seen), *_further_columns(seen), *_constraints(seen)]
    if not any(finding.level == "mend" for finding in found):
        yield Finding("ok", "table", "billing_subscription_mirror is as the migration makes it")
    yield from found


def _columns(seen: Inspection) -> Iterator[Finding]:
    columns = {column["name"]: column for column in seen["columns"]}
    for name in (*_TEXTS, *_INSTANTS):
        subject = f"column {name}"
        column = columns.get(name)
        if column is None:
            yield Finding("mend", subject, "is missing", "a gate can't read the table: migrate it anew")
            continue
        types = (_TEXT_TYPES if name in _TEXTS else _INSTANT_TYPES)[seen["dialect"]]
        if _bare(column["type"]) not in types:
            alter = f"alter its type to {types[0]}"
            yield Finding("mend", subject, f"is {column['type']}", alter)
        if name in _NULLABLE and not column["nullable"]:
            yield Finding("mend", subject, "is not null", "Queue writes null for who has no period: drop that")
        if name not in _NULLABLE and column["nullable"]:
            yield Finding("mend", subject, "may be null", "set it not null")


def _further_columns(seen: Inspection) -> Iterator[Finding]:
    for column in seen["columns"]:
        if column["name"] in (*_TEXTS, *_INSTANTS):
            continue
        subject = f"column {column['name']}"
        if column["nullable"]:
            yield Finding("note", subject, "is not the mirror's; Queue leaves it alone")
        else:
            remedy = "see that it has a default, or Queue can't insert"
            yield Finding("note", subject, "is not the mirror's and is not null", remedy)


def _constraints(seen: Inspection) -> Iterator[Finding]:
    if _PRIMARY_KEY not in seen["constraints"]:
        says = f"{_PRIMARY_KEY} is missing"
        remedy = "make queue_customer_id the primary key under this name; Queue's writes need it"
        yield Finding("mend", "table", says, remedy)
    if seen["dialect"] == "sqlite":
        for check in _CHECKS:
            if check not in seen["constraints"]:
                remedy = "migrate the table anew: text of another form sorts wrongly, and newer rows lose"
                yield Finding("mend", "table", f"{check} is missing", remedy)


def _bare(kind: str) -> str:
    return kind.lower().partition("(")[0].strip()
