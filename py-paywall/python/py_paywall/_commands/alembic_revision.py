"""``py-paywall alembic-revision``: the mirror's table as the next revision of the host's own history."""

from __future__ import annotations

import argparse
from typing import Any

from py_paywall._commands.usage import OK, UsageError, add_command

_DESCRIPTION = """\
Writes a revision that makes the mirror's table, after the current head of your own Alembic history. The SQL
is frozen in it, for PostgreSQL and for SQLite. It connects to no database."""

_EPILOG = """\
Examples:
  py-paywall alembic-revision && alembic upgrade head
  py-paywall alembic-revision -c migrations/alembic.ini      # Flask-Migrate
  py-paywall alembic-revision --head 3f2a9c1b77de            # where there are several heads

Exit code: 0 written, or already there; 2 something is to be settled first, and nothing was written."""


def add(commands: Any) -> None:
    """Describes the command."""
    parser = add_command(
        commands, "alembic-revision", run, "write an Alembic revision", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="alembic.ini, or a pyproject.toml with [tool.alembic]")
    parser.add_argument("--head", metavar="REV", help="the head to go after; needed where there are several")
    parser.add_argument("-m", "--message", default="billing_subscription_mirror", help="the revision's message")


def run(arguments: argparse.Namespace) -> int:
    """Runs it."""
    try:
        from py_paywall.alembic import revision
    except ModuleNotFoundError as error:
        raise UsageError("Alembic is not installed here: pip install 'py-paywall[alembic]'") from error
    try:
        written = revision.write(arguments.config, head=arguments.head, message=arguments.message)
    except revision.AlreadyThereError as error:
        print(f"nothing to write: {error}")
        return OK
    except revision.RevisionError as error:
        raise UsageError(str(error)) from error
    print(f"wrote {written.path}: {written.revision}, after {written.after or 'nothing'}")
    print("next: alembic upgrade head, or heads where there are several")
    return OK
