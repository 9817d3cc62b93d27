"""`py-paywall doctor` and `check`: what they ask, what they answer with, and that no password is in it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import py_paywall
from cli.test_doctor import healthy
from py_paywall import _native, cli

from conftest import SqliteMirror

Output = pytest.CaptureFixture[str]
URL = "postgresql://app:s3cret%21@db/raptor?password=0ther"


@pytest.fixture(autouse=True)
def _no_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIRROR_DATABASE_URL", raising=False)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the native module answers; asked with what."""
    answer: dict[str, Any] = {"answer": {**healthy(), "database_time": None, "newest_updated_at": None}}

    def inspect(url: str, timeout_seconds: float) -> str:
        answer["asked"] = (url, timeout_seconds)
        return json.dumps(answer["answer"])

    monkeypatch.setattr(_native, "inspect", inspect)
    return answer


def test_doctor_prints_a_line_a_finding_and_answers_0(seen: dict[str, Any], capsys: Output) -> None:
    assert cli.main(["doctor", "--url", URL, "--timeout", "2"]) == 0
    assert seen["asked"] == (URL, 2.0)
    assert capsys.readouterr().out.startswith("ok   database: postgresql answers\nok   table: ")


def test_doctor_answers_1_where_there_is_something_to_mend(
    seen: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("MIRROR_DATABASE_URL", URL)
    assert cli.main(["doctor", "--receiver"]) == 1
    assert seen["asked"] == (URL, 5.0)
    assert "a receiver can't insert, update" in capsys.readouterr().out


def test_no_password_is_in_any_output(seen: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    seen["answer"].update(reachable=False, error=f"can't reach {URL}: s3cret! s3cret%21 0ther")
    assert cli.main(["doctor", "--url", URL]) == 1

    def refuse(*_: object, **__: object) -> str:
        raise ValueError(f"what is {URL}? s3cret!")

    monkeypatch.setattr(_native, "inspect", refuse)
    assert cli.main(["doctor", "--url", URL]) == 2
    monkeypatch.setattr(py_paywall.Mirror, "connect", refuse)
    assert cli.main(["check", "ada", "--url", URL]) == 2
    said = "".join(capsys.readouterr())
    assert "the database's URL" in said
    assert not [secret for secret in (URL, "s3cret!", "s3cret%21", "0ther") if secret in said]


@pytest.mark.parametrize("command", [["doctor"], ["check", "ada"]])
def test_no_database_and_no_such_database_are_2(command: list[str], capsys: Output) -> None:
    assert cli.main(command) == 2
    assert "give --url, or set MIRROR_DATABASE_URL" in capsys.readouterr().err
    assert cli.main([*command, "--url", "mysql://app:s3cret@db/raptor"]) == 2
    assert "s3cret" not in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon", "601"])
def test_a_timeout_is_a_number_of_seconds(seconds: str, capsys: Output) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor", "--url", URL, "--timeout", seconds])
    assert ended.value.code == 2
    assert "a number of seconds" in capsys.readouterr().err


@pytest.fixture
def queue() -> Iterator[Callable[[str | None], str]]:
    """Makes a Queue whose /metrics answers so; `None`: 500."""
    servers = []

    def start(metrics: str | None) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                known = self.path == "/metrics" and metrics is not None
                self.send_response(200 if known else 500)
                self.end_headers()
                self.wfile.write((metrics or "").encode())

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


METRICS = """\
# TYPE billing_mirror_waiting gauge
billing_mirror_waiting {waiting}
# TYPE billing_mirror_lag_seconds gauge
billing_mirror_lag_seconds {lag}
billing_mirror_rows_total{{result="sent"}} 7
"""


@pytest.mark.parametrize(
    ("metrics", "code", "line"),
    [
        (METRICS.format(waiting=0, lag=0), 0, "ok   feed: 0 rows wait, the oldest for 0 seconds"),
        (METRICS.format(waiting="12", lag="3.7"), 0, "ok   feed: 12 rows wait, the oldest for 4 seconds"),
        (METRICS.format(waiting="12", lag="61.0"), 1, "mend feed: 12 rows wait, the oldest for 61 seconds -> see"),
        (METRICS.format(waiting="NaN", lag="NaN"), 1, "mend feed: Queue can't tell its lag -> "),
        ("", 1, "mend feed: Queue can't tell its lag -> "),
        (None, 1, "mend feed: Queue's /metrics can't be read (HTTPError) -> "),
    ],
)
def test_doctor_asks_queue_how_far_its_feed_is_behind(
    metrics: str | None,
    code: int,
    line: str,
    seen: dict[str, Any],
    queue: Callable[[str | None], str],
    capsys: Output,
) -> None:
    assert cli.main(["doctor", "--url", URL, "--queue-url", queue(metrics) + "/"]) == code
    assert line in capsys.readouterr().out


@pytest.mark.parametrize("url", ["file:///etc", "http://127.0.0.1:1", "127.0.0.1", "http://[", "http:// "])
def test_a_queue_that_is_not_there_is_a_finding(url: str, seen: dict[str, Any], capsys: Output) -> None:
    assert cli.main(["doctor", "--url", URL, "--queue-url", url]) == 1
    assert "mend feed: " in capsys.readouterr().out


def test_doctor_over_a_real_database_finds_it_well_and_then_not(table: SqliteMirror, capsys: Output) -> None:
    assert cli.main(["doctor", "--url", table.url]) == 1
    assert "mend rows: there is none" in capsys.readouterr().out
    table.put("ada")
    assert cli.main(["doctor", "--url", table.url, "--receiver"]) == 0
    assert "mend" not in capsys.readouterr().out
    table.put("bob", status="paid")
    assert cli.main(["doctor", "--url", table.url]) == 1
    assert "mend rows: 1 of 2 can't be believed" in capsys.readouterr().out
    table.make_loose()
    assert cli.main(["doctor", "--url", table.url]) == 1
    assert "mend table: billing_subscription_mirror_pkey is missing" in capsys.readouterr().out
    table.execute("drop table billing_subscription_mirror")
    assert cli.main(["doctor", "--url", table.url]) == 1
    assert "mend table: there is no billing_subscription_mirror" in capsys.readouterr().out


def test_doctor_over_a_real_postgresql_finds_it_well(postgres_url: str, capsys: Output) -> None:
    assert cli.main(["doctor", "--url", postgres_url]) == 1
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("mend")] == [
        "mend rows: there is none, so a gate refuses everyone -> point Queue's MIRROR_DATABASE_URL here, and register "
        "every customer at sign-up"
    ]


def test_doctor_over_a_database_that_is_not_there_answers_1(capsys: Output) -> None:
    assert cli.main(["doctor", "--url", "postgresql://app:s3cret@127.0.0.1:1/raptor"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("mend database: does not answer (")
    assert "s3cret" not in said


def test_check_tells_the_decision_its_code_and_the_tier(table: SqliteMirror, capsys: Output) -> None:
    table.put("ada", tier="pro")
    assert cli.main(["check", "ada", "--url", table.url]) == 0
    assert capsys.readouterr().out == "decision: allowed\ncode: allow\ntier: pro\n"
    assert cli.main(["check", "ada", "--tier", "pro_plus", "--url", table.url]) == 1
    assert "decision: refused\ncode: tier_too_low\n" in capsys.readouterr().out
    assert cli.main(["check", "bob", "--url", table.url]) == 1
    assert capsys.readouterr().out == "decision: refused\ncode: no_row\ntier: none\n"


def test_check_answers_2_where_nobody_can_say(table: SqliteMirror, capsys: Output) -> None:
    table.execute("drop table billing_subscription_mirror")
    assert cli.main(["check", "ada", "--url", table.url]) == 2
    assert capsys.readouterr().out.startswith("decision: unknown, so a gate refuses\ncode: mirror_")


def test_check_answers_2_for_a_tier_that_nobody_pays_for(table: SqliteMirror, capsys: Output) -> None:
    assert cli.main(["check", "ada", "--tier", "free", "--url", table.url]) == 2
    assert capsys.readouterr().err.startswith("py-paywall: ")


@pytest.mark.parametrize("customer", ["", "a\nb"])
def test_check_answers_2_for_what_is_no_customers_id(customer: str, table: SqliteMirror, capsys: Output) -> None:
    assert cli.main(["check", customer, "--url", table.url]) == 2
    assert "CUSTOMER is nothing" in capsys.readouterr().err
