"""``py-paywall check``: what a gate would decide about one customer, now."""

from __future__ import annotations

import argparse
from typing import Any

import py_paywall
from py_paywall._commands.mirror_url import add_url, url_of, without_secrets
from py_paywall._commands.usage import ATTENTION, OK, USAGE, UsageError, add_command

_DESCRIPTION = """\
Reads the customer's row in the mirror and says what a gate would decide, by the same rules."""

_EPILOG = """\
Example:
  MIRROR_DATABASE_URL=postgresql://app@db/raptor py-paywall check cust_42 --tier pro

Exit code: 0 allowed, 1 refused, 2 unknown (the mirror can't be read: try `py-paywall doctor`) or wrong usage."""


def add(commands: Any) -> None:
    """Describes the command."""
    parser = add_command(commands, "check", run, "decide about one customer", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("customer", metavar="CUSTOMER", help="the customer's id, as in queue_customer_id")
    parser.add_argument("--tier", default="pro", help="the tier that the route asks for; default: pro")
    add_url(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs it."""
    decision = decide(url_of(arguments), arguments.customer, arguments.tier)
    if decision.code == "no_identity":
        raise UsageError("CUSTOMER is nothing that can be a customer's id")
    print(f"decision: {_verdict(decision)}")
    print(f"code: {decision.code}")
    print(f"tier: {decision.tier or 'none'}")
    if decision.allowed:
        return OK
    return USAGE if decision.retryable else ATTENTION


def decide(url: str, customer: str, tier: str) -> py_paywall.Decision:
    """Asks the mirror once. ``UsageError`` for what is no such database or no paid tier."""
    try:
        gate = py_paywall.Gate(tier)
        mirror = py_paywall.Mirror.connect(url, connections=1)
    except ValueError as error:
        raise UsageError(without_secrets(str(error), url)) from None
    try:
        return mirror.decide(customer, gate)
    finally:
        mirror.close()


def _verdict(decision: py_paywall.Decision) -> str:
    if decision.allowed:
        return "allowed"
    return "unknown, so a gate refuses" if decision.retryable else "refused"
