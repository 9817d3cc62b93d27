"""What stands between a gate and its mirror, and what to do about it (``py-paywall doctor``).

:func:`examine` looks at what was seen of the database and says what to mend; it does no I/O of its own, and
:mod:`py_paywall._commands.doctor` does the looking. A gate that can't read its mirror refuses everyone, so
all of this wants to be known before the first request.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from py_paywall import _table_shape
from py_paywall._inspection import Column, Finding, Inspection, Level, Rights

__all__ = ["Column", "Finding", "Inspection", "Level", "Rights", "examine"]

#: How far the database's clock may be from ours. A gate's leeway is days, a signed push's tolerance 300 s.
CLOCK_TOLERANCE = timedelta(seconds=30)
#: A feed with customers rarely says nothing for so long.
QUIET = timedelta(days=1)

_UNREACHABLE_ELSE = "check host, port, name, role and password, or the file's path and rights"
_UNREACHABLE = {
    "timed_out": "check host and port, and the firewall between; or give it longer with --timeout",
    "database_corrupt": "it answers with what can't be read: is it PostgreSQL 12 or later, or a SQLite file?",
}


def examine(seen: Inspection, *, asked_at: datetime, answered_at: datetime, receiver: bool = False) -> list[Finding]:
    """Says what to mend, in the order in which to mend it.

    ``asked_at`` and ``answered_at`` are our clock around the look, with a zone: the database's must be between
    them. ``receiver``: the same role also writes what Queue pushes.
    """
    if not seen["reachable"]:
        error = seen["error"] or "unknown"
        return [Finding("mend", "database", f"does not answer ({error})", _UNREACHABLE.get(error, _UNREACHABLE_ELSE))]
    findings = [Finding("ok", "database", f"{seen['dialect']} answers")]
    if not seen["table"]:
        remedy = f"`py-paywall alembic-revision`, or `py-paywall sql {seen['dialect']}`, then migrate this database"
        return [*findings, Finding("mend", "table", "there is no billing_subscription_mirror", remedy)]
    findings += _table_shape.examine(seen)
    findings += _rights(seen, receiver)
    findings += _clock(seen, asked_at, answered_at)
    if seen["rights"]["select"]:
        findings += _rows(seen)
        findings += _age(seen, answered_at)
    return findings


def _rights(seen: Inspection, receiver: bool) -> Iterator[Finding]:
    wanted = ["select", "insert", "update"] if receiver else ["select"]
    held = {right for right, given in seen["rights"].items() if given}
    missing = [right for right in wanted if right not in held]
    who = "a receiver" if receiver else "a gate"
    if missing and seen["dialect"] == "sqlite":
        yield Finding("mend", "rights", f"{who} can't {', '.join(missing)}", "give this user rights to the file")
    elif missing:
        grant = f"grant {', '.join(missing)} on billing_subscription_mirror to the URL's role"
        yield Finding("mend", "rights", f"{who} can't {', '.join(missing)}", grant)
    else:
        yield Finding("ok", "rights", f"{who} can {', '.join(wanted)}")
    if not receiver and seen["dialect"] == "postgresql" and held > {"select"}:
        yield Finding("note", "rights", "this role may also write the table; a gate needs select only")


def _clock(seen: Inspection, asked_at: datetime, answered_at: datetime) -> Iterator[Finding]:
    # A file has no clock: SQLite's is ours.
    if seen["dialect"] == "sqlite":
        return
    theirs = _instant(seen["database_time"])
    if theirs is None:
        yield Finding("note", "clock", "the database does not say what time it is")
        return
    apart = max(asked_at - theirs, theirs - answered_at, timedelta(0))
    if apart > CLOCK_TOLERANCE:
        says = f"the database's and ours are {_roughly(apart)} apart"
        yield Finding("mend", "clock", says, "synchronise both machines' clocks (NTP)")
    else:
        yield Finding("ok", "clock", "the database's and ours agree")


def _rows(seen: Inspection) -> Iterator[Finding]:
    rows, malformed = seen.get("rows"), seen.get("malformed_rows", 0)
    if rows is None:
        yield Finding("mend", "rows", "can't be read, so a gate refuses everyone", "mend what is said above first")
    elif rows == 0:
        remedy = "point Queue's MIRROR_DATABASE_URL here, and register every customer at sign-up"
        yield Finding("mend", "rows", "there is none, so a gate refuses everyone", remedy)
    elif malformed:
        says = f"{malformed} of {rows} can't be believed, and a gate refuses these customers"
        yield Finding("mend", "rows", says, "somebody else writes the table; have Queue send these rows again")
    else:
        yield Finding("ok", "rows", f"{rows}, and every one can be believed")


def _age(seen: Inspection, now: datetime) -> Iterator[Finding]:
    newest = _instant(seen.get("newest_updated_at"))
    if newest is None:
        return
    if newest - now > CLOCK_TOLERANCE:
        says = f"the newest row is {_roughly(newest - now)} ahead of our clock"
        yield Finding("mend", "feed", says, "compare Queue's clock with this one; newer rows win, so this one stays")
    elif now - newest > QUIET:
        says = f"the newest row is {_roughly(now - newest)} old"
        yield Finding("note", "feed", says, "quiet, or nobody feeds it: --queue-url asks Queue")
    else:
        yield Finding("ok", "feed", f"the newest row is {_roughly(now - newest)} old")


def _instant(text: str | None) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return instant.replace(tzinfo=timezone.utc) if instant and instant.tzinfo is None else instant


def _roughly(length: timedelta) -> str:
    seconds = max(int(length.total_seconds()), 0)
    for unit, many in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * many:
            return f"{seconds // many} {unit}"
    return f"{seconds} seconds" if seconds != 1 else "1 second"
