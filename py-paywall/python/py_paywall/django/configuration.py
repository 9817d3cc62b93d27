"""The setting `PAYWALL`: what is wrong with it, and the paywall that it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from py_paywall._mirror import Mirror
from py_paywall._native import Gate
from py_paywall._paywall import Paywall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from py_paywall._paywall import AsyncIdentity

#: What may be in the setting, and what it is to `Paywall`.
_OPTIONS = {
    "DEFAULT_TIER": "default_tier",
    "GATE": "gate",
    "EXEMPT": "exempt",
    "TIERS": "tiers",
    "LEEWAY": "leeway",
    "UPGRADE_URL": "upgrade_url",
    "UNKNOWN_IS_503": "unknown_is_503",
    "OBSERVE": "observe",
}
_REQUIRED = ("MIRROR", "IDENTITY")


@dataclass
class Fault:
    """Something that is wrong with the setting."""

    number: int
    message: str
    hint: str


@dataclass
class Configured:
    """What the setting makes."""

    paywall: Paywall
    identity: AsyncIdentity


def faults() -> Iterator[Fault]:
    """All that is wrong with the setting."""
    setting = getattr(settings, "PAYWALL", None)
    if not isinstance(setting, dict):
        yield Fault(1, "The setting PAYWALL is missing, or no dict.", "PAYWALL = {'MIRROR': …, 'IDENTITY': …}")
        return
    known = (*_REQUIRED, *_OPTIONS)
    for key in setting:
        if key not in known:
            yield Fault(2, f"PAYWALL has no key {key!r}.", f"Its keys are {', '.join(known)}.")
    yield from _of_mirror(setting.get("MIRROR"))
    yield from _of_identity(setting.get("IDENTITY"))
    yield from _of_options(setting)


def configured() -> Configured:
    """The paywall of the setting, once.

    :raises ImproperlyConfigured: where anything is wrong with it.
    """
    global _configured
    if _configured is None:
        for fault in faults():
            raise ImproperlyConfigured(f"{fault.message} {fault.hint} (py_paywall.E{fault.number:03})")
        setting = settings.PAYWALL
        _configured = Configured(Paywall(setting["MIRROR"], **_options(setting)), _identity(setting["IDENTITY"]))
    return _configured


_configured: Configured | None = None


def _of_mirror(mirror: Any) -> Iterator[Fault]:
    hint = "A URL: postgresql://USER@HOST/NAME or sqlite:////absolute/path; or a py_paywall.Mirror."
    try:
        if not isinstance(mirror, Mirror):
            Mirror.connect(mirror)  # Which looks at the URL, and at nothing else yet.
    except (TypeError, ValueError):
        # The URL may hold a password, and is not shown.
        yield Fault(3, "PAYWALL['MIRROR'] is missing, or no URL of a mirror.", hint)


def _of_identity(identity: Any) -> Iterator[Fault]:
    hint = "A function of the request, or its dotted path; it answers the customer's id, or None."
    if not identity:
        yield Fault(4, "PAYWALL['IDENTITY'] is missing: nobody could be told from anybody.", hint)
        return
    try:
        if not callable(_identity(identity)):
            yield Fault(4, "PAYWALL['IDENTITY'] can't be called.", hint)
    except Exception as error:
        yield Fault(4, f"PAYWALL['IDENTITY'] can't be imported: {error}.", hint)


def _of_options(setting: dict[str, Any]) -> Iterator[Fault]:
    options = {**_options(setting), "observe": False}  # Which is told when it is meant.
    try:
        # A mirror that nobody connects to: its own faults are told apart from these.
        Paywall(Mirror.connect("sqlite:///none"), **{"default_tier": None, **options})
    except Exception as error:
        yield Fault(5, f"PAYWALL makes no sense: {error}.", "See py_paywall.Paywall for what its keys may be.")


def _options(setting: dict[str, Any]) -> dict[str, Any]:
    options = {name: setting[key] for key, name in _OPTIONS.items() if key in setting}
    return {"default_tier": None, **options}


def _identity(identity: Any) -> Any:
    return import_string(identity) if isinstance(identity, str) else identity


def gate_for(tier: str) -> Gate:
    """The gate for a tier.

    :raises ImproperlyConfigured: for a tier that nobody pays for, and where the setting is wrong.
    """
    paywall = configured().paywall
    try:
        return paywall.gate_for(tier)
    except ValueError as error:
        raise ImproperlyConfigured(f"@require({tier!r}): {error}") from error


def _forget(*, setting: str, **_signal: Any) -> None:
    """Tests override settings."""
    global _configured
    if setting == "PAYWALL":
        _configured = None


setting_changed.connect(_forget, dispatch_uid="py_paywall.django")
