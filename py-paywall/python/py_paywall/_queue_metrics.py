"""What Queue's ``/metrics`` says about the feed of the mirror."""

from __future__ import annotations

import math
import re
from http.client import HTTPException
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

_MAX_BYTES = 4 * 1024 * 1024
_SAMPLE = re.compile(r"^(billing_mirror_waiting|billing_mirror_lag_seconds) (\S+)", re.MULTILINE)


class Feed(NamedTuple):
    """What waits for the mirror."""

    #: Rows; ``None``: Queue does not say.
    waiting: float | None
    #: Since when the oldest does, in seconds; ``None``: Queue does not say.
    lag_seconds: float | None


class MetricsError(Exception):
    """Why Queue's metrics can't be read."""


def fetch(queue_url: str, *, timeout_seconds: float) -> Feed:
    """Asks Queue at this base URL. ``MetricsError`` where it does not answer with metrics."""
    try:
        # `urlopen` would also open files.
        if urlsplit(queue_url).scheme not in ("http", "https"):
            raise MetricsError("--queue-url is no http:// or https:// URL")
        request = Request(queue_url.rstrip("/") + "/metrics", headers={"accept": "text/plain"})
        with urlopen(request, timeout=timeout_seconds) as answer:
            text = answer.read(_MAX_BYTES).decode("utf-8", "replace")
    # OSError: also every HTTP status that is none of success. ValueError: no URL.
    except (OSError, ValueError, HTTPException) as error:
        raise MetricsError(f"Queue's /metrics can't be read ({type(error).__name__})") from error
    return parse(text)


def parse(text: str) -> Feed:
    """Reads Prometheus' text. What Queue can't tell is ``NaN`` there."""
    samples = {name: _number(value) for name, value in _SAMPLE.findall(text)}
    return Feed(samples.get("billing_mirror_waiting"), samples.get("billing_mirror_lag_seconds"))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
