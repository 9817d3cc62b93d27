"""The address of the gate's database: where it comes from, and that its password stays out of all output."""

from __future__ import annotations

import argparse
import os
from urllib.parse import parse_qs, unquote, urlsplit

from py_paywall._commands.usage import UsageError

_VARIABLE = "MIRROR_DATABASE_URL"


def add_url(parser: argparse.ArgumentParser) -> None:
    """Adds ``--url``."""
    parser.add_argument(
        "--url",
        metavar="URL",
        help=f"the gate's database, postgresql://... or sqlite:///...; default: {_VARIABLE}, "
        "which other users of the machine can't see, unlike an argument",
    )


def url_of(arguments: argparse.Namespace) -> str:
    """The address. ``UsageError`` where there is none."""
    url: str = arguments.url or os.environ.get(_VARIABLE, "")
    if not url.strip():
        raise UsageError(f"no database: give --url, or set {_VARIABLE}")
    return url.strip()


def without_secrets(text: str, url: str) -> str:
    """The text without the address, and without its password in any spelling."""
    text = text.replace(url, "the database's URL")
    for secret in _secrets(url):
        text = text.replace(secret, "***")
    return text


def _secrets(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
        given = [parts.password, *parse_qs(parts.query).get("password", [])]
    except ValueError:
        # No URL, so nobody can say what in it is secret: all between the scheme and the last @ is.
        given = [url.partition("://")[2].rpartition("@")[0]]
    secrets = [secret for text in given if text for secret in (text, unquote(text))]
    return sorted(set(secrets), key=len, reverse=True)
