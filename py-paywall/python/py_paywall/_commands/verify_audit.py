"""``py-paywall verify-audit``: Queue's audit chain, verified without Queue's code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import IO, Any

from py_paywall import audit
from py_paywall._commands.usage import ATTENTION, OK, UsageError, add_command
from py_paywall._row import MAX_LINE_BYTES

_DESCRIPTION = """\
Verifies what `queue-server audit export` prints, row by row in constant memory, with the key in
BILLING_AUDIT_KEY, and names the first bad place and the kind: malformed, gap, other_key, altered,
unlinked, columns_differ or head_differs (docs/AUDIT.md says what each is)."""

_EPILOG = """\
A chain that was cut, or rolled back and grown anew, shows only against heads that were kept elsewhere:
store what `queue-server audit head` prints where the database's administrators can't write.

Examples:
  queue-server audit export | BILLING_AUDIT_KEY=... py-paywall verify-audit --head-file heads.jsonl
  py-paywall verify-audit export.jsonl --head 1042:5f0c...

Exit code: 0 the chain is whole, 1 something was found, 2 the key or the input can't be used."""


def add(commands: Any) -> None:
    """Describes the command."""
    parser = add_command(
        commands, "verify-audit", run, "verify Queue's audit chain", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="the export; - (default): standard input")
    parser.add_argument(
        "--head", action="append", default=[], metavar="SEQ:MAC", help="a head that was kept elsewhere; repeatable"
    )
    parser.add_argument(
        "--head-file",
        action="append",
        default=[],
        metavar="FILE",
        help="many of them: lines as `queue-server audit head` prints, or SEQ:MAC; repeatable",
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs it."""
    key = _key()
    heads = [_head(text, "--head") for text in arguments.head]
    for path in arguments.head_file:
        heads.extend(_heads_of(path))
    try:
        with _opened(arguments.file) as stream:
            report = audit.verify(_lines(stream), key, heads, progress=_tell_progress)
    except OSError as error:
        raise UsageError(f"{arguments.file} can't be read: {error.strerror or error}") from error
    if report.finding:
        print(report.finding)
        return ATTENTION
    if report.rows == 0 and not heads:
        # Most often the export before the pipe failed: that is no chain that was verified.
        raise UsageError(f"there is no row in the input; if the chain is new, say so with --head 0:{report.head.mac}")
    if not heads:
        print("py-paywall: no --head was given, so a tail that was cut off does not show", file=sys.stderr)
    print(f"the audit chain is whole: {report.rows} rows, head {report.head}")
    return OK


def _key() -> audit.AuditKey:
    text = os.environ.get("BILLING_AUDIT_KEY", "")
    if not text.strip():
        raise UsageError("BILLING_AUDIT_KEY is not set: it is the key that queue-server runs with")
    try:
        return audit.AuditKey(text)
    except ValueError as error:
        raise UsageError(f"BILLING_AUDIT_KEY: {error}") from error


def _head(text: str, source: str) -> audit.Head:
    try:
        return audit.Head.parse(text)
    except ValueError as error:
        raise UsageError(f"{source}: {error}") from error


def _heads_of(path: str) -> Iterator[audit.Head]:
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _head(line, f"{path} line {number}")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8") from error
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror or error}") from error


def _opened(path: str) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb")


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    # A limit, since a file without an end of line would otherwise be read whole. What is longer comes
    # out one byte too long, is malformed and ends it.
    return iter(lambda: stream.readline(MAX_LINE_BYTES + 1), b"")


def _tell_progress(rows: int) -> None:
    print(f"{rows} rows are right", file=sys.stderr)
