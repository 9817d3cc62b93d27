"""``py-paywall import-customers``: tells Queue of all the customers that a back end has already."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import IO, TYPE_CHECKING, Any

from py_paywall._commands.usage import ATTENTION, OK, UsageError, add_command

if TYPE_CHECKING:
    from py_paywall.signup import Imported, Queue

_VARIABLE = "QUEUE_INTERNAL_TOKEN"
_EVERY_SECONDS = 1.0

_DESCRIPTION = """\
Registers customers at Queue, one id a line, so that each has a row in the mirror: then a missing row is a
fault that somebody hears of. The token is taken from QUEUE_INTERNAL_TOKEN. Progress is told on standard
error; who could not be registered on standard output, with the reason after a tab."""

_EPILOG = """\
To begin again after it was broken off does no harm, and neither does an id that is there twice. What is
printed can be read again, for what follows a tab is passed over.

Examples:
  psql -Atc 'select id from users' "$DATABASE_URL" |
    QUEUE_INTERNAL_TOKEN=... py-paywall import-customers - --queue-url https://queue.internal > failed
  py-paywall import-customers failed --queue-url https://queue.internal

Exit code: 0 all are registered, 1 some are not, 2 the input, the URL or the token can't be used."""


def add(commands: Any) -> None:
    """Describes the command."""
    parser = add_command(
        commands, "import-customers", run, "tell Queue of your customers", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument("file", metavar="FILE", help="one customer's id a line; -: standard input")
    parser.add_argument("--queue-url", required=True, metavar="URL", help="Queue's base URL, such as https://HOST")
    parser.add_argument("--at-once", type=_count, default=32, metavar="N", help="how many at once; default: 32")


def run(arguments: argparse.Namespace) -> int:
    """Runs it."""
    try:
        from py_paywall.signup import RegistrationError
    except ModuleNotFoundError as error:
        raise UsageError("httpx is not installed here: pip install 'py-paywall[signup]'") from error
    progress = _Progress()
    try:
        with _queue(arguments.queue_url) as queue, _opened(arguments.file) as lines:
            imported = queue.import_all(_ids(lines), at_once=arguments.at_once, progress=progress.tell)
    except OSError as error:
        raise UsageError(f"{arguments.file} can't be read: {error.strerror or error}") from error
    except RegistrationError as error:
        raise UsageError(f"Queue refuses {_VARIABLE} ({error.code}): is it one of Queue's own?") from None
    progress.sum_up(imported)
    return ATTENTION if imported.failed else OK


class _Progress:
    """What is told meanwhile: failures at once, numbers now and then."""

    def __init__(self) -> None:
        self._failures_told = 0
        self._told_at = time.monotonic()

    def tell(self, imported: Imported) -> None:
        for failed in imported.failed[self._failures_told :]:
            # Whatever is no text is shown so that it harms no terminal.
            print(f"{failed.customer_id.encode('unicode_escape').decode()}\t{failed.code}")
            self._failures_told += 1
        if time.monotonic() - self._told_at > _EVERY_SECONDS:
            self._told_at = time.monotonic()
            self.sum_up(imported)

    def sum_up(self, imported: Imported) -> None:
        print(f"registered: {imported.registered}, failed: {len(imported.failed)}", file=sys.stderr)


def _queue(url: str) -> Queue:
    from py_paywall.signup import Queue

    token = os.environ.get(_VARIABLE, "")
    if not token.strip():
        raise UsageError(f"set {_VARIABLE}: arguments can be seen by other users of the machine")
    try:
        return Queue(url, token=token)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _opened(path: str) -> AbstractContextManager[IO[str]]:
    if path == "-":
        return nullcontext(sys.stdin)
    # What is no UTF-8 is no customer's id, and is listed as such.
    return open(path, encoding="utf-8-sig", errors="surrogateescape")


def _ids(lines: IO[str]) -> Iterator[str]:
    for line in lines:
        customer_id = line.rstrip("\r\n").partition("\t")[0]
        if customer_id:
            yield customer_id


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 100):
        raise argparse.ArgumentTypeError("a number from 1 to 100")
    return int(text)
