"""The command ``py-paywall``, also ``python -m py_paywall``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from py_paywall import __version__
from py_paywall._commands import alembic_revision, check, doctor, import_customers, sql, verify_audit
from py_paywall._commands.usage import USAGE, UsageError

_DESCRIPTION = "Looks after a billing gate: its database, its decisions, and the audit chain of what feeds it."

_EPILOG = """\
First steps:
  py-paywall alembic-revision         make the mirror's table, as the next revision of your Alembic history
  py-paywall sql postgresql           ... or as plain SQL
  py-paywall doctor                   see that the gate can read it, and what to mend
  py-paywall import-customers FILE    tell Queue of the customers that you have already
  py-paywall check cust_42            see what the gate would decide

`py-paywall COMMAND --help` has examples of each."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and answers its exit code; 2 for wrong usage."""
    try:
        parsed = _parser().parse_args(arguments)
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except UsageError as error:
        print(f"py-paywall: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        # Whoever reads has seen enough. What is still buffered must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return USAGE
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="py-paywall",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"py-paywall {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (check, doctor, alembic_revision, sql, import_customers, verify_audit):
        command.add(commands)
    return parser
