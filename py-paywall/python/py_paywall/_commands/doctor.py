"""``py-paywall doctor``: looks at the gate's database and says what to mend."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, cast

from py_paywall import _native, _queue_metrics, doctor
from py_paywall._commands.mirror_url import add_url, url_of, without_secrets
from py_paywall._commands.usage import ATTENTION, OK, UsageError, add_command
from py_paywall._inspection import Finding, Inspection

#: A feed that is healthy is seconds behind.
_LAG_SECONDS = 60

_DESCRIPTION = """\
Connects to the gate's database and looks at the table's shape, the role's rights, the clock and the feed.
One line a finding: ok, note or mend, what it is, and after -> what to do."""

_EPILOG = """\
Examples:
  MIRROR_DATABASE_URL=postgresql://app@db/raptor py-paywall doctor
  py-paywall doctor --url sqlite:///raptor.db --receiver
  py-paywall doctor --queue-url http://queue:8080     # also: how far Queue's feed is behind

Exit code: 0 nothing to mend, 1 something to mend, 2 wrong usage."""


def add(commands: Any) -> None:
    """Describes the command."""
    parser = add_command(
        commands, "doctor", run, "say what to mend in the gate's database", description=_DESCRIPTION, epilog=_EPILOG
    )
    add_url(parser)
    parser.add_argument("--receiver", action="store_true", help="the same role also takes Queue's signed pushes")
    parser.add_argument("--queue-url", metavar="URL", help="Queue's base URL, whose /metrics tells the feed's lag")
    parser.add_argument("--timeout", type=_seconds, default=5.0, metavar="SECONDS", help="for each look; default: 5")


def run(arguments: argparse.Namespace) -> int:
    """Runs it."""
    url = url_of(arguments)
    findings = _look(url, arguments)
    for finding in findings:
        print(without_secrets(str(finding), url))
    return ATTENTION if any(finding.level == "mend" for finding in findings) else OK


def _look(url: str, arguments: argparse.Namespace) -> list[Finding]:
    asked_at = datetime.now(timezone.utc)
    try:
        answer = _native.inspect(url, arguments.timeout)
    except ValueError as error:
        raise UsageError(without_secrets(str(error), url)) from None
    answered_at = datetime.now(timezone.utc)
    seen = cast(Inspection, json.loads(answer))
    findings = doctor.examine(seen, asked_at=asked_at, answered_at=answered_at, receiver=arguments.receiver)
    if arguments.queue_url:
        findings.extend(_feed(arguments.queue_url, arguments.timeout))
    return findings


def _feed(queue_url: str, timeout_seconds: float) -> Iterator[Finding]:
    try:
        waiting, lag_seconds = _queue_metrics.fetch(queue_url, timeout_seconds=timeout_seconds)
    except _queue_metrics.MetricsError as error:
        yield Finding("mend", "feed", str(error), "check --queue-url, and that Queue runs")
        return
    if waiting is None or lag_seconds is None:
        yield Finding("mend", "feed", "Queue can't tell its lag", "its own database does not answer: see its log")
    elif lag_seconds > _LAG_SECONDS:
        says = f"{waiting:.0f} rows wait, the oldest for {lag_seconds:.0f} seconds"
        yield Finding("mend", "feed", says, "see Queue's log for `rows wait for the mirror` and its code")
    else:
        yield Finding("ok", "feed", f"{waiting:.0f} rows wait, the oldest for {lag_seconds:.0f} seconds")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 600:
        raise argparse.ArgumentTypeError("a number of seconds, up to 600")
    return value
