"""Every way to put the paywall before an application, each as the same site: a paid page, which counts, and a free."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
import tempfile
import types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from py_paywall import asgi, wsgi

from conftest import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Skin = Callable[..., "Site"]

#: Who is asking, as the tests say it: the value of this header, for an identity to make something of.
HEADER = "x-test-customer"
PAID, FREE = "/paid", "/free"


@dataclass
class Answer:
    """A response as it left the application."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class Site:
    """An application behind the paywall."""

    app: Any
    is_async: bool
    calls: list[str] = field(default_factory=list)
    on_close: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.loop = asyncio.new_event_loop() if self.is_async else None

    def get(self, target: str = PAID, customer: str | None = "ada", **request: Any) -> Answer:
        """Sends a request, within the process."""
        headers = {} if customer is None else {HEADER: customer}
        headers.update(request.pop("headers", {}))
        if self.loop is None:
            return over_wsgi(self.app, target, headers, **request)
        return self.loop.run_until_complete(over_asgi(self.app, target, headers, **request))

    def close(self) -> None:
        if self.loop is not None:
            self.loop.run_until_complete(_end_tasks())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
        self.on_close()


async def _end_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def scope_of(target: str, headers: Mapping[str, str], method: str = "GET", root_path: str = "") -> dict[str, Any]:
    """What uvicorn makes of a request."""
    raw = target.partition("?")[0]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": root_path + unquote_to_bytes(raw).decode("utf-8", "replace"),
        "raw_path": (root_path + raw).encode("utf-8", "surrogateescape"),
        "query_string": target.partition("?")[2].encode(),
        "root_path": root_path,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 4711),
    }


async def over_asgi(app: Any, target: str, headers: Mapping[str, str], **request: Any) -> Answer:
    """Calls an ASGI application as a server does."""
    answer = Answer(0, [], b"")
    body = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if body:
            return body.pop()
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(name.decode(), value.decode("latin-1")) for name, value in message["headers"]]
        else:
            answer.body += message.get("body", b"")

    await app(scope_of(target, headers, **request), receive, send)
    return answer


def environ_of(target: str, headers: Mapping[str, str], method: str = "GET", script_name: str = "") -> dict[str, Any]:
    """What gunicorn makes of a request."""
    raw, _, query = target.encode("utf-8", "surrogateescape").decode("latin-1").partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": script_name,
        "PATH_INFO": unquote_to_bytes(raw.encode("latin-1")).decode("latin-1"),
        "RAW_URI": script_name + raw + (f"?{query}" if query else ""),
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return environ


def over_wsgi(app: Any, target: str, headers: Mapping[str, str], **request: Any) -> Answer:
    """Calls a WSGI application as a server does."""
    answer = Answer(0, [], b"")

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> Any:
        answer.status, answer.headers = int(status[:3]), headers
        return lambda _data: None

    response = app(environ_of(target, headers, **request), start_response)
    try:
        answer.body = b"".join(response)
    finally:
        if hasattr(response, "close"):
            response.close()
    return answer


# A site is made of a mirror, an identity (which gets the header's value) and further settings.


def bare_asgi(mirror: Any, identity: Any, **settings: Any) -> Site:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["path"] != FREE:
            site.calls.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"here"})

    def identify(scope: Any) -> Any:
        return identity(dict(scope["headers"]).get(HEADER.encode(), b"").decode() or None)

    settings = {"default_tier": "pro", "exempt": [FREE], **settings}
    site = Site(asgi.PaywallMiddleware(app, mirror=mirror, identity=identify, **settings), is_async=True)
    return site


def bare_wsgi(mirror: Any, identity: Any, **settings: Any) -> Site:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] != FREE:
            site.calls.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return [b"here"]

    def identify(environ: Any) -> Any:
        return identity(environ.get("HTTP_X_TEST_CUSTOMER"))

    settings = {"default_tier": "pro", "exempt": [FREE], **settings}
    site = Site(wsgi.PaywallMiddleware(app, mirror=mirror, identity=identify, **settings), is_async=False)
    return site


def fastapi_middleware(mirror: Any, identity: Any, **settings: Any) -> Site:
    from fastapi import FastAPI

    from py_paywall.fastapi import PaywallMiddleware

    app = FastAPI()
    settings = {"default_tier": "pro", "exempt": [FREE], **settings}
    app.add_middleware(
        PaywallMiddleware, mirror=mirror, identity=lambda request: identity(request.headers.get(HEADER)), **settings
    )
    return _fastapi_pages(app, [])


def fastapi_dependency(mirror: Any, identity: Any, **settings: Any) -> Site:
    from fastapi import Depends, FastAPI

    from py_paywall.fastapi import Paywall

    async def identify(request: Any) -> Any:
        return identity(request.headers.get(HEADER))

    app = FastAPI()
    paywall = Paywall(mirror, identity=identify, **settings)
    paywall.init_app(app)
    return _fastapi_pages(app, [Depends(paywall.require("pro"))])


def _fastapi_pages(app: Any, dependencies: list[Any]) -> Site:
    site = Site(app, is_async=True)

    async def paid() -> str:
        site.calls.append(PAID)
        return "here"

    async def free() -> str:
        return "here"

    app.add_api_route(PAID, paid, methods=["GET", "HEAD", "POST"], dependencies=dependencies)
    app.add_api_route(FREE, free)
    return site


def flask_hook(mirror: Any, identity: Any, **settings: Any) -> Site:
    import flask

    from py_paywall.flask import Paywall

    app = flask.Flask("site")
    settings = {"default_tier": "pro", "exempt": [FREE], **settings}
    Paywall(app, mirror=mirror, identity=lambda: identity(flask.request.headers.get(HEADER)), **settings)
    return _flask_pages(app, lambda view: view, is_async=False)


def flask_decorator(mirror: Any, identity: Any, *, is_async: bool = False, **settings: Any) -> Site:
    import flask

    from py_paywall.flask import Paywall

    app = flask.Flask("site")
    paywall = Paywall(mirror=mirror, identity=lambda: identity(flask.request.headers.get(HEADER)), **settings)
    return _flask_pages(app, paywall.require("pro"), is_async=is_async)


def flask_async_decorator(mirror: Any, identity: Any, **settings: Any) -> Site:
    return flask_decorator(mirror, identity, is_async=True, **settings)


def _flask_pages(app: Any, require: Any, *, is_async: bool) -> Site:
    site = Site(app, is_async=False)

    def paid() -> str:
        site.calls.append(PAID)
        return "here"

    async def apaid() -> str:
        return paid()

    app.add_url_rule(PAID, "paid", require(apaid if is_async else paid), methods=["GET", "POST"])
    app.add_url_rule(FREE, "free", lambda: "here")
    return site


def django_wsgi(mirror: Any, identity: Any, **settings: Any) -> Site:
    return _django(mirror, identity, is_async=False, by_path=True, **settings)


def django_asgi(mirror: Any, identity: Any, **settings: Any) -> Site:
    return _django(mirror, identity, is_async=True, by_path=True, **settings)


def django_wsgi_decorator(mirror: Any, identity: Any, **settings: Any) -> Site:
    return _django(mirror, identity, is_async=False, by_path=False, **settings)


def django_asgi_decorator(mirror: Any, identity: Any, **settings: Any) -> Site:
    return _django(mirror, identity, is_async=True, by_path=False, **settings)


def set_up_django(**settings: Any) -> Any:
    """Settings of Django's that hold until they are disabled."""
    import django
    from django.conf import settings as django_settings
    from django.test import override_settings

    if not django_settings.configured:
        django_settings.configure(
            ALLOWED_HOSTS=["*"],
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{tempfile.mkdtemp()}/django.db"}},
            INSTALLED_APPS=[
                "django.contrib.auth",
                "django.contrib.contenttypes",
                "django.contrib.sessions",
                "py_paywall.django",
            ],
            SECRET_KEY="of the tests",
            USE_TZ=True,
        )
        django.setup()
    overridden = override_settings(**settings)
    overridden.enable()
    return overridden


def _django(mirror: Any, identity: Any, *, is_async: bool, by_path: bool, **settings: Any) -> Site:
    urls = types.ModuleType("urls")
    identify = lambda request: identity(request.headers.get(HEADER))  # noqa: E731
    paywall = {"MIRROR": mirror, "IDENTITY": identify, **{key.upper(): value for key, value in settings.items()}}
    middleware = []
    if by_path:
        paywall = {"DEFAULT_TIER": "pro", "EXEMPT": [FREE], **paywall}
        middleware = ["py_paywall.django.PaywallMiddleware"]
    overridden = set_up_django(PAYWALL=paywall, ROOT_URLCONF=urls, MIDDLEWARE=middleware)

    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse
    from django.urls import path

    from py_paywall.django import require

    def paid(_request: Any) -> Any:
        site.calls.append(PAID)
        return HttpResponse("here")

    async def apaid(request: Any) -> Any:
        return paid(request)

    view: Any = apaid if is_async else paid
    urls.urlpatterns = [  # type: ignore[attr-defined]
        path(PAID[1:], view if by_path else require("pro")(view)),
        path(FREE[1:], lambda _request: HttpResponse("here")),
    ]
    site = Site(ASGIHandler() if is_async else WSGIHandler(), is_async, on_close=overridden.disable)
    return site


SKINS = [
    bare_asgi,
    bare_wsgi,
    fastapi_middleware,
    fastapi_dependency,
    flask_hook,
    flask_decorator,
    flask_async_decorator,
    django_wsgi,
    django_asgi,
    django_wsgi_decorator,
    django_asgi_decorator,
]


@contextlib.contextmanager
def opened(skin: Skin, mirror: Any, identity: Any = lambda customer: customer, **settings: Any) -> Iterator[Site]:
    """A site, until it is closed."""
    site = skin(mirror, identity, **settings)
    try:
        yield site
    finally:
        site.close()


def answer_of(expected: Mapping[str, Any]) -> Answer:
    """An answer as the vectors write it, and how a server of Python's is told its length."""
    body = expected["body"].encode()
    headers = [(name, value) for name, value in expected["headers"]]
    return Answer(expected["status"], [*headers, ("content-length", str(len(body)))], body)


def vector(decision: str, protocol: str = "http") -> Answer:
    """How the vectors answer what was decided, for a gate of which only the tier is said."""
    cases = json.loads((REPOSITORY / "conformance/vectors/decision.json").read_text())["cases"]
    for case in cases:
        if case["expected"].get("decision") == decision and case["input"]["gate"] == {"required_tier": "pro"}:
            return answer_of(case["expected"][protocol])
    raise KeyError(decision)
