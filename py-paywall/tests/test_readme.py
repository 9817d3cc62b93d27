"""The README's snippets for frameworks, as they stand there: each is a gate that works."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import SqliteMirror

from frameworks.skins import Site, set_up_django, vector


def section(title: str) -> list[str]:
    """The Python snippets below a heading."""
    folder = Path(__file__).parents[1]
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", (folder / "README.md").read_text(), re.M | re.S)
    assert found is not None, f"the README has no section {title!r}"
    return re.findall(r"^```python\n(.*?)^```", found[1], re.M | re.S)


@pytest.fixture
def app_db(table: SqliteMirror, monkeypatch: pytest.MonkeyPatch) -> SqliteMirror:
    """The mirror that the snippets name, with one who paid."""
    table.put("7")
    table.path = table.path.rename(table.path.with_name("mirror.db"))
    monkeypatch.chdir(table.path.parent)
    return table


def run(snippet: str, name: str = "snippet") -> dict[str, Any]:
    # FastAPI resolves annotations in the module that a function is of.
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(snippet, f"README {name}", "exec"), module.__dict__)
    return module.__dict__


def lines_of_code(snippet: str) -> int:
    return sum(bool(line.strip()) for line in snippet.splitlines())


def session_of(user: str) -> str:
    """The cookie of Starlette's sessions, signed as in the snippets."""
    import base64
    import json

    import itsdangerous

    session = base64.b64encode(json.dumps({"user": user}).encode())
    return f"session={itsdangerous.TimestampSigner('…').sign(session).decode()}"


def test_fastapis_first_snippet_is_a_working_gate(app_db: SqliteMirror) -> None:
    snippet = section("FastAPI and Starlette")[0]
    assert lines_of_code(snippet) < 10
    site = Site(run(snippet)["app"], is_async=True)
    assert site.get("/reports", None, headers={"cookie": session_of("7")}).body == b'["for those who paid"]'
    assert site.get("/reports", None, headers={"cookie": session_of("8")}).body == vector("no_row").body
    assert site.get("/reports", None).body == vector("no_identity").body
    site.close()


def test_fastapis_second_snippet_gates_all_but_what_it_names(app_db: SqliteMirror) -> None:
    snippet = section("FastAPI and Starlette")[1]
    assert lines_of_code(snippet) < 10
    app = run(snippet)["app"]

    async def page() -> str:
        return "here"

    for path in ("/", "/reports"):
        app.add_api_route(path, page)
    site = Site(app, is_async=True)
    assert site.get("/", None).status == 200
    assert site.get("/reports", None).body == vector("no_identity").body
    assert site.get("/reports", None, headers={"cookie": session_of("7")}).status == 200
    assert site.get("/reports", None, headers={"cookie": session_of("7") + "x"}).status == 401
    site.close()


def flask_client(app: Any, user: str | None) -> Any:
    app.secret_key = app.secret_key or "of the tests"
    client = app.test_client()
    if user:
        with client.session_transaction() as session:
            session["user"] = user
    return client


def test_flasks_first_snippet_is_a_working_gate(app_db: SqliteMirror) -> None:
    snippet = section("Flask")[0]
    assert lines_of_code(snippet) < 10
    app = run(snippet)["app"]
    assert flask_client(app, "7").get("/reports").data == b"for those who paid"
    for user, decision in (("8", "no_row"), (None, "no_identity")):
        answer = flask_client(app, user).get("/reports")
        assert (answer.status_code, answer.data) == (vector(decision).status, vector(decision).body)


def test_flasks_second_snippet_gates_all_but_what_it_names(app_db: SqliteMirror) -> None:
    snippet = section("Flask")[1]
    assert lines_of_code(snippet) < 10
    app = run(snippet)["app"]
    app.add_url_rule("/reports", "reports", lambda: "here")
    app.add_url_rule("/", "home", lambda: "here")
    statuses = {path: flask_client(app, None).get(path).status_code for path in ("/", "/static/x", "/reports", "/none")}
    assert statuses == {"/": 200, "/static/x": 404, "/reports": 401, "/none": 401}
    assert flask_client(app, "7").get("/reports").status_code == 200


def test_djangos_snippets_are_a_working_gate(app_db: SqliteMirror) -> None:
    settings, identity, views = section("Django")
    assert lines_of_code(settings) + lines_of_code(identity) <= 10
    run(identity, "billing")
    told = {key: value for key, value in run(settings).items() if key.isupper()}
    urls = types.ModuleType("urls")
    overridden = set_up_django(ROOT_URLCONF=urls, **told)
    try:
        from django.contrib.auth.models import AnonymousUser, User
        from django.core.checks import run_checks
        from django.test import RequestFactory
        from django.urls import path

        found = run(views)
        urls.urlpatterns = [path("r", found["reports"]), path("c", found["Reports"].as_view())]  # type: ignore[attr-defined]
        assert [message.id for message in run_checks() if (message.id or "").startswith("py_paywall")] == []
        for user, status in ((User(pk=7), 200), (User(pk=8), 402), (AnonymousUser(), 401)):
            for view in (found["reports"], found["Reports"].as_view()):
                request = RequestFactory().get("/r")
                request.user = user
                assert view(request).status_code == status
    finally:
        overridden.disable()
