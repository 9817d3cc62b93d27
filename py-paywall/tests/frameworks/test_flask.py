"""Flask: hooks, decorators in either order, blueprints, static files, 404s and an application's own handlers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from flask import Blueprint, Flask, g, request, session
from flask.views import MethodView
from werkzeug.exceptions import HTTPException

from frameworks.skins import HEADER, Site, vector
from py_paywall.flask import Paywall

if TYPE_CHECKING:
    from conftest import SqliteMirror


def identify() -> str | None:
    return request.headers.get(HEADER)


@pytest.fixture
def app() -> Flask:
    return Flask("site")


@pytest.fixture
def paywall(table: SqliteMirror) -> Paywall:
    table.put("ada")
    return Paywall(mirror=table.url, identity=identify)


def test_the_decision_is_in_g_and_the_paywall_in_the_extensions(app: Flask, paywall: Paywall) -> None:
    paywall.init_app(app)
    assert app.extensions["paywall"] is paywall
    app.add_url_rule("/paid", "paid", paywall.require("pro")(lambda: f"{g.paywall.tier} {g.paywall.customer_id}"))
    assert Site(app, is_async=False).get().body == b"pro ada"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_decorator_that_stands_above_the_route_gates_too_and_says_so(
    app: Flask, paywall: Paywall, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    paywall.init_app(app)
    site = Site(app, is_async=False)

    if is_async:

        @paywall.require("pro")
        @app.route("/paid")
        async def apaid() -> str:
            site.calls.append("paid")
            return "here"
    else:

        @paywall.require("pro")
        @app.route("/paid")
        def paid() -> str:
            site.calls.append("paid")
            return "here"

    with caplog.at_level(logging.ERROR, "py_paywall"):
        assert (site.get(customer="eve"), site.calls) == (vector("no_row"), [])
    assert any("stands above @route" in record.message for record in caplog.records)
    assert site.get().status == 200


def test_a_view_that_is_there_with_the_paywall_and_without_is_meant_so(app: Flask, paywall: Paywall) -> None:
    paywall.init_app(app)

    def view() -> str:
        return "here"

    app.add_url_rule("/preview", "preview", view)
    app.add_url_rule("/paid", "paid", paywall.require("pro")(view))
    site = Site(app, is_async=False)
    assert site.get("/preview", "eve").status == 200
    assert site.get(customer="eve") == vector("no_row")


def test_class_based_views_and_blueprints_are_gated(app: Flask, paywall: Paywall) -> None:
    class Reports(MethodView):
        decorators = [paywall.require("pro")]  # noqa: RUF012

        def get(self) -> str:
            site.calls.append("get")
            return "here"

        async def post(self) -> str:
            site.calls.append("post")
            return "here"

    blueprint = Blueprint("shop", __name__, url_prefix="/shop")
    blueprint.add_url_rule("/paid", view_func=Reports.as_view("reports"))
    app.register_blueprint(blueprint)
    site = Site(app, is_async=False)
    for method in ("GET", "POST"):
        assert (site.get("/shop/paid", "eve", method=method), site.calls) == (vector("no_row"), [])
        assert site.get("/shop/paid", method=method).status == 200
        site.calls.clear()


def test_static_files_404s_and_options_are_gated_by_path(table: SqliteMirror) -> None:
    table.put("ada")
    app = Flask("site", static_folder=str(table.path.parent), static_url_path="/static")
    Paywall(app, mirror=table.url, identity=identify, default_tier="pro", exempt=["/free"])
    app.add_url_rule("/free", "free", lambda: "here")
    site = Site(app, is_async=False)
    for target, method in (("/static/app.db", "GET"), ("/none", "GET"), ("/paid", "OPTIONS"), ("/free/", "GET")):
        assert site.get(target, "eve", method=method) == vector("no_row")
    assert site.get("/static/app.db").status == 200
    assert site.get("/none").status == 404
    assert site.get("/free", "eve").status == 200


def test_an_applications_own_handlers_do_not_answer_in_its_place(app: Flask, paywall: Paywall) -> None:
    paywall.init_app(app)

    class PaymentRequired(HTTPException):
        code = 402

    for what in (401, PaymentRequired, HTTPException, Exception):
        app.register_error_handler(what, lambda _error: ("swallowed", 200))
    app.add_url_rule("/paid", "paid", paywall.require("pro")(lambda: "here"))
    site = Site(app, is_async=False)
    assert site.get(customer="eve") == vector("no_row")
    assert site.get(customer=None) == vector("no_identity")


def test_an_identity_that_reads_the_session_adds_what_flask_adds(table: SqliteMirror, app: Flask) -> None:
    app.secret_key = "of the tests"
    Paywall(app, mirror=table.url, identity=lambda: session.get("user"), default_tier="pro")
    answer = Site(app, is_async=False).get()
    assert (answer.status, answer.body) == (401, vector("no_identity").body)
    assert {name.lower() for name, _ in answer.headers} - {"vary"} == {n for n, _ in vector("no_identity").headers}


def test_an_async_identity_is_awaited_before_sync_and_async_views(table: SqliteMirror, app: Flask) -> None:
    async def aidentify() -> str | None:
        return identify()

    table.put("ada")
    paywall = Paywall(app, mirror=table.url, identity=aidentify, gate={"/by/path": "pro"})

    async def view() -> str:
        return "here"

    app.add_url_rule("/paid", "paid", paywall.require("pro")(lambda: "here"))
    app.add_url_rule("/apaid", "apaid", paywall.require("pro")(view))
    app.add_url_rule("/by/path", "path", lambda: "here")
    site = Site(app, is_async=False)
    for target in ("/paid", "/apaid", "/by/path"):
        assert site.get(target).status == 200
        assert site.get(target, "eve") == vector("no_row")


def test_one_paywall_serves_many_applications(paywall: Paywall) -> None:
    for _ in range(2):
        app = Flask("site")
        paywall.init_app(app)
        app.add_url_rule("/paid", "paid", paywall.require("pro")(lambda: "here"))
        site = Site(app, is_async=False)
        assert (site.get().status, site.get(customer="eve")) == (200, vector("no_row"))


def test_what_makes_no_sense_is_refused_when_it_is_written(table: SqliteMirror, paywall: Paywall) -> None:
    with pytest.raises(ValueError, match="tier"):
        paywall.require("free")
    settings: Any
    for settings in ({"default_tier": "free"}, {"gate": {"reports": "pro"}}, {"exempt": ["/x*"]}):
        with pytest.raises(ValueError, match=r"."):
            Paywall(mirror=table.url, identity=identify, **settings)
