"""``py-paywall sql``: the mirror's table as plain SQL."""

from __future__ import annotations

import argparse
from typing import Any

from py_paywall._commands.usage import OK, add_command

_DESCRIPTION = """\
Prints the SQL that makes the mirror's table, for a host without Alembic."""

_EPILOG = """\
Examples:
  py-paywall sql postgresql | psql --single-transaction -v ON_ERROR_STOP=1 "$DATABASE_URL"
  py-paywall sql sqlite | sqlite3 -bail raptor.db
  py-paywall sql postgresql --down      # what takes it away again"""


def add(commands: Any) -> None:
    """Describes the command."""
    parser = add_command(
        commands, "sql", run, "print the mirror's table as SQL", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument("dialect", choices=("postgresql", "sqlite"), help="which database")
    parser.add_argument("--down", action="store_true", help="the SQL that drops it")


def run(arguments: argparse.Namespace) -> int:
    """Runs it."""
    from py_paywall import _native

    up, down = _native.mirror_migration(arguments.dialect)
    print((down if arguments.down else up).rstrip())
    return OK
