"""What `manage.py check` says of the settings.

| id | what |
|---|---|
| `py_paywall.E001` | `PAYWALL` is missing, or no dict |
| `py_paywall.E002` | an unknown key |
| `py_paywall.E003` | `MIRROR` is missing, or no URL |
| `py_paywall.E004` | `IDENTITY` is missing, can't be imported or can't be called |
| `py_paywall.E005` | tiers, patterns, leeway: something makes no sense |
| `py_paywall.E006` | paths are to be gated, and the middleware that would do it is not there |
| `py_paywall.W001` | the middleware stands before the one that authenticates |
| `py_paywall.W002` | the paywall only observes: it refuses nothing |
| `py_paywall.W003` | the middleware has nothing to gate |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from py_paywall.django import configuration
from py_paywall.django.middleware import PaywallMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterator


def check_settings(**_kwargs: Any) -> list[checks.CheckMessage]:
    """All that is wrong with the settings."""
    wrong: list[checks.CheckMessage] = [
        checks.Error(fault.message, hint=fault.hint, id=f"py_paywall.E{fault.number:03}")
        for fault in configuration.faults()
    ]
    setting = getattr(settings, "PAYWALL", None)
    if isinstance(setting, dict):
        wrong.extend(_of_middleware(setting))
    return wrong


def _of_middleware(setting: dict[str, Any]) -> Iterator[checks.CheckMessage]:
    ours, authenticating = _places()
    by_path = bool(setting.get("DEFAULT_TIER") or setting.get("GATE"))
    if by_path and ours is None:
        yield checks.Error(
            "PAYWALL gates paths, but its middleware is not in MIDDLEWARE: nothing is gated.",
            hint="Add 'py_paywall.django.PaywallMiddleware' after AuthenticationMiddleware.",
            id="py_paywall.E006",
        )
    if ours is not None and authenticating is not None and ours < authenticating:
        yield checks.Warning(
            "PaywallMiddleware stands before AuthenticationMiddleware: no request has a user there.",
            hint="Move it behind, unless IDENTITY needs neither request.user nor request.auser.",
            id="py_paywall.W001",
        )
    if setting.get("OBSERVE"):
        yield checks.Warning(
            "THE PAYWALL ONLY OBSERVES: it refuses nothing, and everyone reaches what is paid for.",
            hint="Take 'OBSERVE' out of PAYWALL when the log shows nothing unexpected.",
            id="py_paywall.W002",
        )
    if ours is not None and not by_path:
        yield checks.Warning(
            "PaywallMiddleware has nothing to gate: PAYWALL has neither DEFAULT_TIER nor GATE.",
            hint="Say what is gated, or take the middleware out: @require needs none.",
            id="py_paywall.W003",
        )


def _places() -> tuple[int | None, int | None]:
    """Where in `MIDDLEWARE` the paywall's stands, and the one that authenticates."""
    ours = authenticating = None
    for place, path in enumerate(settings.MIDDLEWARE):
        try:
            middleware = import_string(path)
        except ImportError:
            continue  # Django itself says so.
        if isinstance(middleware, type) and issubclass(middleware, PaywallMiddleware):
            ours = place
        elif getattr(middleware, "__name__", "") == "AuthenticationMiddleware":
            authenticating = place
    return ours, authenticating
