"""What all commands share: exit codes, the one kind of error that is told, how help looks."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

#: Exit codes.
OK, ATTENTION, USAGE = 0, 1, 2


class UsageError(Exception):
    """What keeps a command from doing its work. Its text is shown, without a traceback; exit code 2."""


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    *,
    description: str,
    epilog: str,
) -> argparse.ArgumentParser:
    """Adds a command whose help keeps its line breaks."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser
