"""Who may pass: what the middleware and the decorator share, for requests that block and those that don't."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpResponse

if TYPE_CHECKING:
    from django.http import HttpRequest

    from py_paywall._native import Decision, Gate
    from py_paywall.django.configuration import Configured


def admit(configured: Configured, gate: Gate, request: HttpRequest) -> HttpResponse | None:
    """The refusal of a request; None if it may pass. Blocks."""

    def identify(request: HttpRequest) -> Any:
        customer_id = configured.identity(request)
        if inspect.isawaitable(customer_id):
            return async_to_sync(_result_of)(customer_id)
        return customer_id

    decision = configured.paywall.decide(gate, identify, request)
    return _answer(configured, decision, gate, request)


async def aadmit(configured: Configured, gate: Gate, request: HttpRequest) -> HttpResponse | None:
    """The same, to be awaited: on the event loop, without a thread."""

    async def identify(request: HttpRequest) -> Any:
        try:
            customer_id = configured.identity(request)
        except SynchronousOnlyOperation:
            # It loads `request.user`, which blocks. An async one, which awaits `request.auser()`, needs no thread.
            customer_id = await sync_to_async(configured.identity)(request)
        return await customer_id if inspect.isawaitable(customer_id) else customer_id

    decision = await configured.paywall.adecide(gate, identify, request)
    return _answer(configured, decision, gate, request)


async def _result_of(awaitable: Any) -> Any:
    return await awaitable


def _answer(configured: Configured, decision: Decision, gate: Gate, request: HttpRequest) -> HttpResponse | None:
    problem = configured.paywall.refusal(decision, gate, request.META.get("CONTENT_TYPE"))
    if problem is None:
        request.paywall = decision  # type: ignore[attr-defined]
        return None
    headers = {**dict(problem.headers), "content-length": str(len(problem.body))}
    # Some servers send what they are given: after a head alone, it would be taken for the next response.
    body = b"" if request.method == "HEAD" else problem.body
    return HttpResponse(body, status=problem.status, headers=headers)
