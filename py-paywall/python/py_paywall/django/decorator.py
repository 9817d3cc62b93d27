"""The decorator that gates views."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction

from py_paywall.django import admission, configuration

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

View = TypeVar("View", bound="Callable[..., Any]")


def require(tier: str) -> Callable[[View], View]:
    """Lets nobody through to a view without this tier: `@require("pro")`, or, on a class,
    `@method_decorator(require("pro"), name="dispatch")`. Async views are decided on the event loop.

    :raises ImproperlyConfigured: for a tier that nobody pays for.
    """
    if not list(configuration.faults()):
        configuration.gate_for(tier)  # Else the checks say what is wrong, and every call refuses to run.

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def gated(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            refusal = admission.admit(configuration.configured(), configuration.gate_for(tier), request)
            return view(request, *args, **kwargs) if refusal is None else refusal

        @functools.wraps(view)
        async def agated(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            refusal = await admission.aadmit(configuration.configured(), configuration.gate_for(tier), request)
            if refusal is not None:
                return refusal
            response = view(request, *args, **kwargs)
            return await response if inspect.isawaitable(response) else response

        if _is_async(view):
            return markcoroutinefunction(agated)  # type: ignore[return-value]
        return gated  # type: ignore[return-value]

    return decorate


def _is_async(view: Callable[..., Any]) -> bool:
    """Whether a view's answer is awaited. A class's `dispatch` is no coroutine, even where its methods are."""
    dispatch = getattr(view, "func", view)  # `method_decorator` gives a partial.
    return iscoroutinefunction(view) or bool(getattr(getattr(dispatch, "__self__", None), "view_is_async", False))
