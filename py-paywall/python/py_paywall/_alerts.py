"""Alerts: always a log record, and an event at Sentry where its SDK is installed.

The first of a kind is told at once; those that follow within a minute are counted and told together.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING

from py_paywall import _native

if TYPE_CHECKING:
    from py_paywall._native import Decision

#: A logger of its own: Sentry is told of alerts by name, and not of their log records once more.
logger = logging.getLogger("py_paywall.alerts")

#: Seconds after which what was counted is told: a little longer than it is gathered.
_WINDOW_SECONDS = 61.0


class Alerts:
    """The alerts of a process."""

    def __init__(self) -> None:
        self._alerts = _native.Alerts()
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._raised = False

    def of(self, decision: Decision) -> None:
        """Raises what a decision is worth telling of: a missing row, an unknown entitlement."""
        self._raise(self._alerts.of(decision))

    def signature_failed(self) -> None:
        """Raises that a push was not believed."""
        self._raise(self._alerts.signature_failed())

    def _raise(self, told: list[tuple[str, bool, int]]) -> None:
        self._raised = True
        self._tell(told)
        if self._timer is None:
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._timer is None:
                timer = threading.Timer(_WINDOW_SECONDS, self._flush)
                timer.daemon = True
                timer.start()
                self._timer = timer

    def flush(self) -> None:
        """Tells all that was counted: for the end of the process."""
        self._tell(self._alerts.flush(True))

    def _flush(self) -> None:
        self._timer = None
        raised, self._raised = self._raised, False
        self._tell(self._alerts.flush(False))
        if raised:
            self._start()  # What was raised last may be in a window that is not over.

    def _tell(self, told: list[tuple[str, bool, int]]) -> None:
        for name, critical, count in told:
            _tell_sentry(name, critical, count)
            level = logging.CRITICAL if critical else logging.ERROR
            logger.log(level, "%s (%d times)", name, count, extra={"alert": name, "count": count})


def _tell_sentry(name: str, critical: bool, count: int) -> None:
    # A host that reports to Sentry has imported its SDK.
    if sys.modules.get("sentry_sdk") is None:
        return
    try:
        import sentry_sdk
        from sentry_sdk.integrations.logging import ignore_logger

        ignore_logger(logger.name)
        with sentry_sdk.new_scope() as scope:
            scope.set_tag("alert", name)
            scope.set_extra("count", count)
            scope.capture_message(name, level="fatal" if critical else "error")
    except Exception:
        logger.exception("Sentry could not be told of an alert")


alerts = Alerts()


def _forget() -> None:
    """In a child of a fork: what the parent counted is the parent's to tell, and its timer is not here."""
    global alerts
    alerts = Alerts()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(lambda: alerts.flush())
