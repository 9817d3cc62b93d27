"""How much the wheel's gate costs, beside what Python does without it. Prints one JSON object.

    python wheel.py postgresql://… CUSTOMERS

The database holds a mirror with the rows `stripe:cus_0` to `stripe:cus_CUSTOMERS`. Each figure is taken in turns with the
one that it is compared with.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import uvloop

from py_paywall import Gate, Mirror, Paywall
from py_paywall.asgi import PaywallMiddleware as AsgiMiddleware
from py_paywall.wsgi import PaywallMiddleware as WsgiMiddleware

#: Turns of each of two that are compared.
TURNS = 15
CALLS = 20_000
IN_FLIGHT = 32
SECONDS = 2.0
ALONE = 3000
#: What asyncpg's pool takes unless told otherwise.
POOL = 10


def per_call(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - began) / CALLS


def beside(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """Seconds that each of two calls takes, at its best: what is slower was disturbed."""
    times = [(per_call(one), per_call(other)) for _ in range(TURNS)]
    return min(time[0] for time in times), min(time[1] for time in times)


def wrappers(mirror: Mirror) -> dict[str, float]:
    """Seconds that the wrappers add to an application that does nothing, where no read is needed."""
    paywall = Paywall(mirror, default_tier="pro", exempt=["/health"])

    async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
        return None

    def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
        return []

    asgi = AsgiMiddleware(asgi_app, paywall=paywall, identity=lambda scope: None)
    wsgi = WsgiMiddleware(wsgi_app, paywall=paywall, identity=lambda environ: None)
    scope = {"type": "http", "path": "/health", "raw_path": b"/health", "root_path": "", "headers": []}
    environ = {"PATH_INFO": "/health", "SCRIPT_NAME": "", "RAW_URI": "/health"}

    async def send(message: Any) -> None:
        return None

    def run(app: Any, scope: Any) -> Callable[[], None]:
        def call() -> None:
            try:
                app(scope, None, send).send(None)
            except StopIteration:
                return

        return call

    def start_response(*arguments: Any) -> None:
        return None

    asgi_bare, asgi_wrapped = beside(run(asgi_app, scope), run(asgi, scope))
    wsgi_bare, wsgi_wrapped = beside(
        lambda: wsgi_app(environ, start_response), lambda: wsgi(environ, start_response)
    )
    refused = {**scope, "path": "/reports", "raw_path": b"/reports"}
    refused_environ = {**environ, "PATH_INFO": "/reports", "RAW_URI": "/reports"}
    _, asgi_refused = beside(run(asgi_app, refused), run(asgi, refused))
    _, wsgi_refused = beside(
        lambda: wsgi_app(refused_environ, start_response), lambda: wsgi(refused_environ, start_response)
    )
    return {
        "asgi_exempt": asgi_wrapped - asgi_bare,
        "wsgi_exempt": wsgi_wrapped - wsgi_bare,
        "asgi_refused": asgi_refused - asgi_bare,
        "wsgi_refused": wsgi_refused - wsgi_bare,
    }


async def rate(read: Callable[[str], Awaitable[Any]], customers: int) -> float:
    """Reads per second, so many in flight."""
    done = 0
    end = time.perf_counter() + SECONDS

    async def lane(number: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            number = (number + 104_729) % customers
            await read(f"stripe:cus_{number}")
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(lane(number * 7919) for number in range(IN_FLIGHT)))
    return done / (time.perf_counter() - began)


async def median(read: Callable[[str], Awaitable[Any]], customers: int) -> float:
    """Seconds within which half of the reads are done that come alone."""
    times = []
    for number in range(ALONE):
        customer = f"stripe:cus_{number * 104_729 % customers}"
        began = time.perf_counter()
        await read(customer)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


async def reads(url: str, mirror: Mirror, customers: int) -> dict[str, float]:
    gate = Gate("pro")
    query = "select plan_tier, status, current_period_end, updated_at from billing_subscription_mirror where queue_customer_id = $1"
    async with asyncpg.create_pool(url, min_size=POOL, max_size=POOL) as pool:

        async def ours(customer: str) -> None:
            if (await mirror.adecide(customer, gate)).retryable:
                raise RuntimeError("the mirror was not read")

        async def theirs(customer: str) -> None:
            if await pool.fetchrow(query, customer) is None:
                raise RuntimeError("a row is missing")

        rates = [(await rate(ours, customers), await rate(theirs, customers)) for _ in range(3)]
        medians = [(await median(ours, customers), await median(theirs, customers)) for _ in range(5)]
    return {
        "reads_per_second": statistics.median(ours for ours, _ in rates),
        "asyncpg_reads_per_second": statistics.median(theirs for _, theirs in rates),
        "read_median": statistics.median(ours for ours, _ in medians),
        "asyncpg_read_median": statistics.median(theirs for _, theirs in medians),
    }


def main() -> None:
    url, customers = sys.argv[1], int(sys.argv[2])
    mirror = Mirror.connect(url, timeout=30)
    measured = wrappers(mirror)
    measured |= uvloop.run(reads(url, mirror, customers))
    print(json.dumps(measured))


main()
