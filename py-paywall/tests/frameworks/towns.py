"""The same many routes in every framework, behind the paywall or not: each handler says that it ran, and counts."""

from __future__ import annotations

import os
import types
from typing import TYPE_CHECKING, Any

from frameworks.skins import HEADER, Site, set_up_django

if TYPE_CHECKING:
    from collections.abc import Callable

#: Handlers that everyone may reach where everything else is gated, and those that a pattern gates where nothing is.
FREE = {"health", "public"}
PATTERNED = {"reports", "daily", "report", "archive", "sub data", "sub health"}

#: Settings, and the handlers that are gated by them.
MODES: dict[str, tuple[dict[str, Any], Callable[[str], bool]]] = {
    "gated by default": (
        {"default_tier": "pro", "exempt": ["/health", "/public/**"]},
        lambda name: name not in FREE,
    ),
    "open by default": (
        {"default_tier": None, "gate": {"/reports/**": "pro", "/sub/**": "pro"}},
        lambda name: name in PATTERNED,
    ),
    "single paths": (
        {
            "default_tier": None,
            "gate": {
                "/reports": "pro",
                "/reports/*": "pro",
                "/reports/archive/**": "pro",
                "/sub/data": "pro",
                "/sub/health": "pro",
            },
        },
        lambda name: name in PATTERNED,
    ),
}


def settings_of(mode: str, mirror: str, mount: str = "") -> dict[str, Any]:
    """The settings of a mode. Under a mount, a path is exempt only if it is with the prefix and without."""
    settings = {"mirror": mirror, **MODES[mode][0]}
    if mount and "exempt" in settings:
        settings["exempt"] = [prefix + path for path in settings["exempt"] for prefix in ("", mount)]
    return settings


def starlette(settings: dict[str, Any] | None, calls: list[str]) -> Site:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    from py_paywall.fastapi import PaywallMiddleware

    def handler(name: str) -> Any:
        async def handle(_request: Any) -> Any:
            calls.append(name)
            return PlainTextResponse(f"ran {name}.")

        return handle

    def identify(request: Any) -> Any:
        return request.headers.get(HEADER)

    routes = [
        Route("/health", handler("health")),
        Route("/public/{rest:path}", handler("public")),
        Route("/reports", handler("reports")),
        Route("/reports/daily", handler("daily")),
        Route("/reports/{id}", handler("report")),
        Route("/reports/archive/{rest:path}", handler("archive")),
        Mount("/sub", routes=[Route("/data", handler("sub data")), Route("/health", handler("sub health"))]),
        Route("/{rest:path}", handler("other")),
    ]
    middleware = [] if settings is None else [Middleware(PaywallMiddleware, identity=identify, **settings)]
    return Site(Starlette(routes=routes, middleware=middleware), is_async=True, calls=calls)


def fastapi(settings: dict[str, Any] | None, calls: list[str], root_path: str = "") -> Site:
    from fastapi import APIRouter, FastAPI
    from fastapi.responses import PlainTextResponse

    from py_paywall import asgi

    def add(router: Any, path: str, name: str) -> None:
        async def handle() -> Any:
            calls.append(name)
            return PlainTextResponse(f"ran {name}.")

        router.add_api_route(path, handle)

    options: dict[str, Any] = {"root_path": root_path} if root_path else {}
    app = FastAPI(openapi_url=None, **options)
    add(app, "/health", "health")
    add(app, "/public/{rest:path}", "public")
    reports = APIRouter(prefix="/reports")
    add(reports, "", "reports")
    add(reports, "/daily", "daily")
    add(reports, "/{id}", "report")
    add(reports, "/archive/{rest:path}", "archive")
    app.include_router(reports)
    sub = FastAPI(openapi_url=None)
    add(sub, "/data", "sub data")
    add(sub, "/health", "sub health")
    app.mount("/sub", sub)
    add(app, "/{rest:path}", "other")
    if settings is None:
        return Site(app, is_async=True, calls=calls)

    def identify(scope: Any) -> Any:
        return dict(scope["headers"]).get(HEADER.encode(), b"").decode() or None

    return Site(asgi.PaywallMiddleware(app, identity=identify, **settings), is_async=True, calls=calls)


def flask(settings: dict[str, Any] | None, calls: list[str]) -> Site:
    from flask import Blueprint, Flask, request

    from py_paywall.flask import Paywall

    app = Flask("town", static_folder=None)
    if settings is not None:
        Paywall(app, identity=lambda: request.headers.get(HEADER), **settings)

    def add(on: Any, path: str, name: str) -> None:
        def handle(**_parameters: str) -> str:
            calls.append(name)
            return f"ran {name}."

        on.add_url_rule(path, name, handle)

    add(app, "/health", "health")
    add(app, "/public/<path:rest>", "public")
    reports = Blueprint("reports", __name__, url_prefix="/reports")
    add(reports, "", "reports")
    add(reports, "/daily", "daily")
    add(reports, "/<id>", "report")
    add(reports, "/archive/<path:rest>", "archive")
    app.register_blueprint(reports)
    sub = Blueprint("sub", __name__, url_prefix="/sub")
    add(sub, "/data", "sub data")
    add(sub, "/health", "sub health")
    app.register_blueprint(sub)
    add(app, "/", "other")
    add(app, "/<path:rest>", "other paths")
    return Site(app, is_async=False, calls=calls)


def django_wsgi(settings: dict[str, Any] | None, calls: list[str]) -> Site:
    return _django(settings, calls, is_async=False)


def django_asgi(settings: dict[str, Any] | None, calls: list[str]) -> Site:
    return _django(settings, calls, is_async=True)


def _django(settings: dict[str, Any] | None, calls: list[str], *, is_async: bool) -> Site:
    urls = types.ModuleType("urls")
    overrides: dict[str, Any] = {"ROOT_URLCONF": urls, "MIDDLEWARE": []}
    if settings is not None:
        paywall = {key.upper(): value for key, value in settings.items()}
        overrides["PAYWALL"] = {"IDENTITY": lambda request: request.headers.get(HEADER), **paywall}
        overrides["MIDDLEWARE"] = ["py_paywall.django.PaywallMiddleware"]
    overridden = set_up_django(**overrides)

    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse
    from django.urls import include, path, re_path

    def handler(name: str) -> Any:
        def handle(_request: Any, **_parameters: str) -> Any:
            calls.append(name)
            return HttpResponse(f"ran {name}.")

        async def ahandle(request: Any, **parameters: str) -> Any:
            return handle(request, **parameters)

        return ahandle if is_async else handle

    urls.urlpatterns = [  # type: ignore[attr-defined]
        path("health", handler("health")),
        path("public/<path:rest>", handler("public")),
        path("reports", handler("reports")),
        path(
            "reports/",
            include(
                [
                    re_path(r"^daily$", handler("daily")),
                    path("<slug:id>", handler("report")),
                    path("archive/<path:rest>", handler("archive")),
                ]
            ),
        ),
        path("sub/", include([path("data", handler("sub data")), path("health", handler("sub health"))])),
        re_path(r"^", handler("other")),
    ]
    site = Site(ASGIHandler() if is_async else WSGIHandler(), is_async, calls)
    site.on_close = overridden.disable
    return site


TOWNS = [starlette, fastapi, flask, django_wsgi, django_asgi]


def of_environment() -> Any:
    """The application that a server's process serves."""
    towns = {town.__name__: town for town in TOWNS}
    settings = settings_of(os.environ["TOWN_MODE"], os.environ["TOWN_MIRROR"])
    return towns[os.environ["TOWN"]](settings, []).app
