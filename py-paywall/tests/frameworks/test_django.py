"""Django: settings that are checked, users under WSGI and ASGI, views of every kind."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import types
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from frameworks.skins import HEADER, Site, set_up_django, vector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import SqliteMirror

OURS, AUTH = "py_paywall.django.PaywallMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
GOOD: dict[str, Any] = {"MIRROR": "sqlite:///none.db", "IDENTITY": lambda request: None, "DEFAULT_TIER": "pro"}


def identify(request: Any) -> Any:
    return request.headers.get(HEADER)


@contextlib.contextmanager
def settings(**overrides: Any) -> Iterator[None]:
    overridden = set_up_django(**overrides)
    try:
        yield
    finally:
        overridden.disable()


@contextlib.contextmanager
def a_site(paywall: dict[str, Any], views: dict[str, Any], *, is_async: bool, **more: Any) -> Iterator[Site]:
    urls = types.ModuleType("urls")
    middleware = more.pop("MIDDLEWARE", [OURS] if "DEFAULT_TIER" in paywall or "GATE" in paywall else [])
    with settings(ROOT_URLCONF=urls, MIDDLEWARE=middleware, PAYWALL=paywall, **more):
        from django.core.handlers.asgi import ASGIHandler
        from django.core.handlers.wsgi import WSGIHandler
        from django.urls import path

        made = {name: view() for name, view in views.items()}
        urls.urlpatterns = [path(name, view) for name, view in made.items()]  # type: ignore[attr-defined]
        site = Site(ASGIHandler() if is_async else WSGIHandler(), is_async)
        yield site
        site.close()


def ids(**overrides: Any) -> list[str]:
    """What the checks say."""
    with settings(**overrides):
        from django.core.checks import run_checks

        found = [message for message in run_checks() if (message.id or "").startswith("py_paywall")]
        assert all(message.hint for message in found)
        return [str(message.id).removeprefix("py_paywall.") for message in found]


@pytest.mark.parametrize(
    ("paywall", "expected"),
    [
        (GOOD, []),
        (None, ["E001"]),
        ([], ["E001"]),
        ({**GOOD, "EXEMTP": ["/"]}, ["E002"]),
        ({**GOOD, "MIRROR": None}, ["E003"]),
        ({**GOOD, "MIRROR": "mysql://app:hunter2@x/app"}, ["E003"]),
        ({key: GOOD[key] for key in ("IDENTITY", "DEFAULT_TIER")}, ["E003"]),
        ({key: GOOD[key] for key in ("MIRROR", "DEFAULT_TIER")}, ["E004"]),
        ({**GOOD, "IDENTITY": "no.such.module"}, ["E004"]),
        ({**GOOD, "IDENTITY": "django.VERSION"}, ["E004"]),
        ({**GOOD, "DEFAULT_TIER": "free"}, ["E005"]),
        ({**GOOD, "TIERS": ["pro"]}, ["E005"]),
        ({**GOOD, "GATE": {"reports": "pro"}}, ["E005"]),
        ({**GOOD, "GATE": ["/reports"]}, ["E005"]),
        ({**GOOD, "EXEMPT": ["/a*"]}, ["E005"]),
        ({**GOOD, "LEEWAY": 72}, ["E005"]),
        ({**GOOD, "LEEWAY": timedelta(hours=1), "EXEMPT": ["/"], "UPGRADE_URL": "/pricing"}, []),
        ({**GOOD, "OBSERVE": True}, ["W002"]),
        ({key: GOOD[key] for key in ("MIRROR", "IDENTITY")}, ["W003"]),
        ({"MIRROR": "", "DEFAULT_TIER": "free"}, ["E003", "E004", "E005"]),
    ],
)
def test_checks_say_what_is_wrong_and_a_wrong_paywall_does_not_start(paywall: Any, expected: list[str]) -> None:
    from django.core.exceptions import ImproperlyConfigured

    assert ids(PAYWALL=paywall, MIDDLEWARE=[AUTH, OURS]) == expected
    if not any(number.startswith("E") for number in expected):
        return
    with settings(PAYWALL=paywall, MIDDLEWARE=[OURS]):
        from django.core.handlers.asgi import ASGIHandler
        from django.core.handlers.wsgi import WSGIHandler

        from py_paywall.django import require

        for handler in (ASGIHandler, WSGIHandler):
            with pytest.raises(ImproperlyConfigured, match=rf"py_paywall\.{expected[0]}") as error:
                handler()
            assert "hunter2" not in str(error.value)
        # The checks say it in full; the view itself runs for nobody.
        view: Any = require("pro")(lambda _request: None)
        with pytest.raises(ImproperlyConfigured):
            view(None)


def test_checks_look_at_the_middleware() -> None:
    assert ids(PAYWALL=GOOD, MIDDLEWARE=[AUTH]) == ["E006"]
    assert ids(PAYWALL=GOOD, MIDDLEWARE=[OURS, AUTH]) == ["W001"]
    assert ids(PAYWALL={**GOOD, "DEFAULT_TIER": None, "GATE": {"/x": "pro"}}, MIDDLEWARE=[]) == ["E006"]
    assert ids(PAYWALL={key: GOOD[key] for key in ("MIRROR", "IDENTITY")}, MIDDLEWARE=[AUTH]) == []
    assert ids(PAYWALL=GOOD, MIDDLEWARE=["no.such", OURS]) == []


def test_a_tier_that_nobody_pays_for_is_refused_when_the_view_is_written() -> None:
    from django.core.exceptions import ImproperlyConfigured

    with settings(PAYWALL=GOOD):
        from py_paywall.django import require

        for tier in ("free", "gold"):
            with pytest.raises(ImproperlyConfigured, match=tier):
                require(tier)


@pytest.mark.parametrize("is_async", [False, True], ids=["wsgi", "asgi"])
def test_views_of_every_kind_are_gated_by_the_decorator(table: SqliteMirror, is_async: bool) -> None:
    table.put("ada")
    calls: list[str] = []

    def function() -> Any:
        from django.http import HttpResponse

        from py_paywall.django import require

        @require("pro")
        def view(request: Any) -> Any:
            calls.append(request.paywall.tier)
            return HttpResponse("here")

        return view

    def afunction() -> Any:
        from django.http import HttpResponse

        from py_paywall.django import require

        @require("pro")
        async def view(request: Any) -> Any:
            calls.append(request.paywall.tier)
            return HttpResponse("here")

        return view

    def a_class(*, with_async_methods: bool) -> Any:
        from django.http import HttpResponse
        from django.utils.decorators import method_decorator
        from django.views import View

        from py_paywall.django import require

        class Base(View):
            def get(self, request: Any) -> Any:
                calls.append(request.paywall.tier)
                return HttpResponse("here")

        class AsyncBase(View):
            async def get(self, request: Any) -> Any:
                asyncio.get_running_loop()
                calls.append(request.paywall.tier)
                return HttpResponse("here")

        base = AsyncBase if with_async_methods else Base
        return method_decorator(require("pro"), name="dispatch")(base).as_view()

    views = {
        "function": function,
        "afunction": afunction,
        "class": lambda: a_class(with_async_methods=False),
        "aclass": lambda: a_class(with_async_methods=True),
    }
    with a_site({"MIRROR": table.url, "IDENTITY": identify}, views, is_async=is_async) as site:
        for name in views:
            assert (site.get(f"/{name}", "eve"), calls) == (vector("no_row"), []), name
            assert site.get(f"/{name}", None) == vector("no_identity"), name
            assert (site.get(f"/{name}").body, calls) == (b"here", ["pro"]), name
            calls.clear()


def page() -> Any:
    from django.http import HttpResponse

    return lambda _request: HttpResponse("here")


def apage() -> Any:
    from django.http import HttpResponse

    async def view(_request: Any) -> Any:
        return HttpResponse("here")

    return view


def test_under_asgi_the_event_loop_decides_without_another_thread(table: SqliteMirror) -> None:
    table.put("ada")
    threads: list[threading.Thread] = []

    async def aidentify(request: Any) -> Any:
        threads.append(threading.current_thread())
        return identify(request)

    def sync_identify(request: Any) -> Any:
        threads.append(threading.current_thread())
        return identify(request)

    for identity in (aidentify, sync_identify):
        paywall = {"MIRROR": table.url, "IDENTITY": identity, "DEFAULT_TIER": "pro"}
        with a_site(paywall, {"paid": apage}, is_async=True) as site:
            assert site.get().status == 200
    assert threads == [threading.current_thread()] * 2


def test_an_async_identity_serves_wsgi_too(table: SqliteMirror) -> None:
    async def aidentify(request: Any) -> Any:
        await asyncio.sleep(0)
        return identify(request)

    table.put("ada")
    paywall = {"MIRROR": table.url, "IDENTITY": aidentify, "DEFAULT_TIER": "pro"}
    with a_site(paywall, {"paid": page}, is_async=False) as site:
        assert (site.get().status, site.get(customer="eve")) == (200, vector("no_row"))


def a_session() -> tuple[dict[str, str], str]:
    """Somebody who has logged in: the cookie that says so, and their id."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    user, _ = User.objects.get_or_create(username="ada")
    session = SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    connection.close()
    return {"cookie": f"sessionid={session.session_key}"}, str(user.pk)


@pytest.mark.parametrize("is_async", [False, True], ids=["wsgi", "asgi"])
def test_users_of_djangos_own_are_known_in_both_ways(table: SqliteMirror, is_async: bool) -> None:
    def of_user(request: Any) -> Any:
        return str(request.user.pk) if request.user.is_authenticated else None

    async def of_auser(request: Any) -> Any:
        user = await request.auser()
        return str(user.pk) if user.is_authenticated else None

    with settings():
        cookie, customer = a_session()
    table.put(customer)
    for identity in (of_user, of_auser):
        paywall = {"MIRROR": table.url, "IDENTITY": identity, "DEFAULT_TIER": "pro"}
        more = {"MIDDLEWARE": [SESSIONS, AUTH, OURS]}
        with a_site(paywall, {"paid": apage if is_async else page}, is_async=is_async, **more) as site:
            assert site.get(customer=None, headers=cookie).status == 200
            answer = site.get(customer=None)
            assert (answer.status, answer.body) == (401, vector("no_identity").body)


def test_handlers_of_the_project_do_not_answer_in_its_place(table: SqliteMirror) -> None:
    from django.http import HttpResponse

    class Swallow:
        def __init__(self, get_response: Any) -> None:
            self.get_response = get_response

        def __call__(self, request: Any) -> Any:
            return self.get_response(request)

        def process_exception(self, _request: Any, _exception: Exception) -> Any:
            return HttpResponse("swallowed")

    from frameworks import skins

    skins.Swallow = Swallow  # type: ignore[attr-defined]
    paywall = {"MIRROR": table.url, "IDENTITY": identify, "DEFAULT_TIER": "pro"}
    more = {"MIDDLEWARE": ["frameworks.skins.Swallow", OURS], "handler404": "no"}
    with a_site(paywall, {"paid": page}, is_async=False, **more) as site:
        assert site.get("/none", "eve") == vector("no_row")
        assert site.get() == vector("no_row")
