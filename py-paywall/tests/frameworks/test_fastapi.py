"""FastAPI and Starlette: dependencies, sub-applications, sessions, and what an application adds of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from frameworks.skins import HEADER, Site, vector
from py_paywall import Decision
from py_paywall.fastapi import Paywall, PaywallMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import SqliteMirror


async def identify(connection: HTTPConnection) -> str | None:
    return connection.headers.get(HEADER)


@pytest.fixture
def paywall(table: SqliteMirror) -> Paywall:
    table.put("ada")
    return Paywall(table.url, identity=identify)


@pytest.fixture
def open_site() -> Iterator[Callable[[Any], Site]]:
    sites: list[Site] = []

    def open_site(app: Any) -> Site:
        sites.append(Site(app, is_async=True))
        return sites[-1]

    yield open_site
    for site in sites:
        site.close()


def test_the_decision_is_the_dependencys_value_and_in_the_state(paywall: Paywall, open_site: Any) -> None:
    app = FastAPI()
    paywall.init_app(app)

    @app.get("/paid")
    async def paid(request: Request, decision: Decision = Depends(paywall.require("pro"))) -> dict[str, Any]:  # noqa: B008
        assert request.state.paywall is decision
        return {"tier": decision.tier, "customer": decision.customer_id}

    site = open_site(app)
    assert site.get().body == b'{"tier":"pro","customer":"ada"}'
    assert site.get(customer="eve") == vector("no_row")


def test_a_sync_route_is_gated_too(paywall: Paywall, open_site: Any) -> None:
    app = FastAPI()
    paywall.init_app(app)

    @app.get("/paid", dependencies=[Depends(paywall.require("pro"))])
    def paid() -> str:
        site.calls.append("paid")
        return "here"

    site = open_site(app)
    assert (site.get(customer="eve"), site.calls) == (vector("no_row"), [])
    assert site.get().status == 200


def test_a_router_and_a_whole_application_can_depend_on_it(paywall: Paywall, open_site: Any) -> None:
    gate = Depends(paywall.require("pro"))
    router = APIRouter(dependencies=[gate])
    router.add_api_route("/paid", lambda: "here")
    app = FastAPI()
    app.include_router(router)
    whole = FastAPI(dependencies=[gate])
    whole.add_api_route("/paid", lambda: "here")
    for each in (app, whole):
        paywall.init_app(each)
        site = open_site(each)
        assert site.get(customer="eve") == vector("no_row")
        assert site.get().status == 200


def test_without_init_app_nobody_gets_in_either(paywall: Paywall, open_site: Any) -> None:
    app = FastAPI()
    app.add_api_route("/paid", lambda: site.calls.append("paid"), dependencies=[Depends(paywall.require("pro"))])
    site = open_site(app)
    for customer, decision in (("eve", "no_row"), (None, "no_identity")):
        answer, expected = site.get(customer=customer), vector(decision)
        assert (answer.status, site.calls) == (expected.status, [])
        assert dict(answer.headers)["cache-control"] == "no-store"
        assert dict(answer.headers)["content-type"] == "application/problem+json"


def test_a_mounted_application_is_as_closed_with_init_app_and_without(paywall: Paywall, open_site: Any) -> None:
    for init in (True, False):
        inner, outer = FastAPI(), FastAPI()
        calls: list[str] = []
        inner.add_api_route("/paid", partial(calls.append, "paid"), dependencies=[Depends(paywall.require("pro"))])
        outer.mount("/sub", inner)
        paywall.init_app(outer)
        if init:
            paywall.init_app(inner)
        site = open_site(outer)
        answer = site.get("/sub/paid", "eve")
        assert (answer.status, calls) == (402, [])
        assert (answer == vector("no_row")) == init
        assert site.get("/sub/paid").status == 200


def test_an_applications_own_handlers_do_not_answer_in_its_place(paywall: Paywall, open_site: Any) -> None:
    app = FastAPI()
    paywall.init_app(app)

    async def swallow(_request: Any, _error: Any) -> JSONResponse:
        return JSONResponse({"swallowed": True})

    for what in (402, 401, HTTPException, Exception):
        app.add_exception_handler(what, swallow)
    app.add_api_route("/paid", lambda: site.calls.append("paid"), dependencies=[Depends(paywall.require("pro"))])
    site = open_site(app)
    assert (site.get(customer="eve"), site.calls) == (vector("no_row"), [])
    assert site.get(customer=None) == vector("no_identity")


def test_dependencies_that_clean_up_see_the_refusal_and_cant_undo_it(paywall: Paywall, open_site: Any) -> None:
    app, seen = FastAPI(), []
    paywall.init_app(app)

    async def database() -> Any:
        try:
            yield
        except Exception as error:
            seen.append(type(error).__name__)
            raise

    app.add_api_route("/paid", lambda: "here", dependencies=[Depends(database), Depends(paywall.require("pro"))])
    site = open_site(app)
    assert site.get(customer="eve") == vector("no_row")
    assert seen == ["Refused"]


def test_the_middlewares_identity_sees_session_user_and_cookies(table: SqliteMirror, open_site: Any) -> None:
    from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
    from starlette.middleware.authentication import AuthenticationMiddleware
    from starlette.middleware.sessions import SessionMiddleware

    class Backend(AuthenticationBackend):
        async def authenticate(self, conn: HTTPConnection) -> Any:
            name = conn.headers.get(HEADER)
            return (AuthCredentials(), SimpleUser(name)) if name else None

    def by_user(connection: HTTPConnection) -> str | None:
        assert connection.session == {}
        assert connection.cookies == {"theme": "dark"}
        return connection.user.username if connection.user.is_authenticated else None

    table.put("ada")
    app = FastAPI()
    app.add_middleware(PaywallMiddleware, mirror=table.url, default_tier="pro", identity=by_user)
    app.add_middleware(AuthenticationMiddleware, backend=Backend())
    app.add_middleware(SessionMiddleware, secret_key="of the tests")
    app.add_api_route("/paid", lambda: "here")
    site = open_site(app)
    headers = {"cookie": "theme=dark"}
    assert site.get(headers=headers).status == 200
    answer = site.get(customer=None, headers=headers)
    # Starlette's session adds this to every response to which it was read.
    answer.headers.remove(("vary", "Cookie"))
    assert answer == vector("no_identity")


def test_middleware_in_the_wrong_order_is_closed(table: SqliteMirror, open_site: Any) -> None:
    from starlette.middleware.sessions import SessionMiddleware

    table.put("ada")
    app = FastAPI()
    app.add_middleware(SessionMiddleware, secret_key="of the tests")
    app.add_middleware(
        PaywallMiddleware, mirror=table.url, default_tier="pro", identity=lambda connection: connection.session["user"]
    )
    assert open_site(app).get() == vector("gate_panicked")


def test_a_paywall_and_its_middleware_share_an_identity(table: SqliteMirror, open_site: Any) -> None:
    table.put("ada")
    paywall = Paywall(table.url, identity=identify, default_tier="pro", exempt=["/free"])
    app = FastAPI()
    app.add_middleware(PaywallMiddleware, paywall=paywall)
    app.add_api_route("/paid", lambda: "here")
    app.add_api_route("/free", lambda: "here", dependencies=[Depends(paywall.require("pro_plus"))])
    paywall.init_app(app)
    site = open_site(app)
    assert (site.get().status, site.get(customer="eve")) == (200, vector("no_row"))
    # Exempt by its path is not exempt from what its route asks for.
    assert site.get("/free").status == 402


def test_what_makes_no_sense_is_refused_when_it_is_written(table: SqliteMirror) -> None:
    app = FastAPI()
    with pytest.raises(ValueError, match="tier"):
        Paywall(table.url, identity=identify).require("free")
    for settings in ({"mirror": table.url}, {"identity": identify}, {"mirror": table.url, "identity": identify}):
        with pytest.raises(TypeError):
            PaywallMiddleware(app, **settings)


def test_mounted_applications_with_middleware_of_their_own_are_gated_by_either_path(
    table: SqliteMirror, open_site: Any
) -> None:
    table.put("ada")
    for pattern in ("/data", "/sub/data"):
        inner, outer = FastAPI(), FastAPI()
        calls: list[str] = []
        inner.add_middleware(
            PaywallMiddleware, mirror=table.url, default_tier=None, gate={pattern: "pro"}, identity=identify
        )
        inner.add_api_route("/data", partial(calls.append, "data"))
        outer.mount("/sub", inner)
        site = open_site(outer)
        for target in ("/sub/data", "/sub/%64ata", "/sub/data%0a", "/sub//data", "/sub/./data"):
            site.get(target, "eve")
            assert calls == [], (pattern, target)
        assert (site.get("/sub/data").status, calls) == (200, ["data"])
