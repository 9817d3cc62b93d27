"""The middleware that gates paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction

from py_paywall.django import admission, configuration

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from py_paywall._native import Gate


class PaywallMiddleware:
    """Lets a request through if the mirror allows: views, static files and 404s alike.

    Put it behind the middleware that authenticates. What stands behind it runs for those who may pass only; what
    stands before it may add headers to refusals, as to all responses.

    :raises ImproperlyConfigured: where the setting `PAYWALL` makes no sense; so the application does not start.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._configured = configuration.configured()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if self._is_async:
            return self._acall(request)
        gate = self._gate_before(request)
        refusal = None if gate is None else admission.admit(self._configured, gate, request)
        return self.get_response(request) if refusal is None else refusal

    async def _acall(self, request: HttpRequest) -> Any:
        gate = self._gate_before(request)
        refusal = None if gate is None else await admission.aadmit(self._configured, gate, request)
        return await self.get_response(request) if refusal is None else refusal

    def _gate_before(self, request: HttpRequest) -> Gate | None:
        # What urls.py is asked for is `path_info`; what the client asked for may differ.
        scope = getattr(request, "scope", None)
        raw = scope.get("raw_path") if scope is not None else _raw_path(request.META)
        mount = request.META.get("SCRIPT_NAME")
        return self._configured.paywall.before(request.path_info, raw or request.path, mount)


def _raw_path(environ: dict[str, Any]) -> bytes | None:
    """The path of the request line, where a WSGI server tells it."""
    target: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    try:
        # Bytes that stand there as characters (PEP 3333).
        return target.partition("?")[0].encode("latin-1")
    except UnicodeEncodeError:
        return b"%"  # Which can't be decoded either, and so is gated.
