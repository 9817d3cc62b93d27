"""What operators hear of: a missing row at once, and a flood of them once (P2, K4)."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from frameworks.skins import SKINS, bare_wsgi, opened
from py_paywall import _alerts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frameworks.skins import Skin

    from conftest import SqliteMirror

MISSING, UNAVAILABLE = "billing.mirror.missing_row", "billing.mirror.unavailable"


@pytest.fixture(autouse=True)
def _afresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Alerts that nobody has raised yet."""
    alerts = _alerts.Alerts()
    monkeypatch.setattr(_alerts, "alerts", alerts)
    yield
    if alerts._timer is not None:
        alerts._timer.cancel()


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Any:
    """The alerts in the log: name, level, count."""
    caplog.set_level(logging.WARNING, "py_paywall")

    def told() -> list[tuple[str, str, int]]:
        alerts = [record.__dict__ for record in caplog.records if hasattr(record, "alert")]
        return [(alert["alert"], alert["levelname"], alert["count"]) for alert in alerts]

    return told


@pytest.fixture
def sentry() -> Iterator[list[dict[str, Any]]]:
    """The events that the SDK would have sent."""
    import sentry_sdk
    from sentry_sdk.transport import Transport

    events: list[dict[str, Any]] = []

    class Recording(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            events.extend(event for item in envelope.items if (event := item.get_event()))

    sentry_sdk.init(dsn="http://key@localhost/1", transport=Recording, auto_enabling_integrations=False)
    yield events
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.get_global_scope().set_client(None)


@pytest.mark.parametrize("skin", SKINS, ids=lambda skin: skin.__name__)
def test_a_missing_row_is_told_at_once_by_every_skin_p2(table: SqliteMirror, skin: Skin, told: Any) -> None:
    with opened(skin, table.url) as site:
        site.get()
    assert told() == [(MISSING, "CRITICAL", 1)]


def test_what_is_unknown_is_told_as_an_error(table: SqliteMirror, told: Any) -> None:
    table.execute("drop table billing_subscription_mirror")
    with opened(bare_wsgi, table.url) as site:
        site.get()
    assert told() == [(UNAVAILABLE, "ERROR", 1)]


def test_those_who_have_not_paid_and_those_who_are_nobody_are_no_alert(table: SqliteMirror, told: Any) -> None:
    table.put("eve", tier="free", status="none", period_end=None)
    with opened(bare_wsgi, table.url) as site:
        site.get(customer="eve")
        site.get(customer=None)
    assert told() == []


def test_sentry_hears_of_a_missing_row_as_fatal_and_only_once(
    table: SqliteMirror, sentry: list[dict[str, Any]], told: Any
) -> None:
    with opened(bare_wsgi, table.url) as site:
        site.get()
        site.get(customer="mallory")
    assert [(event["message"], event["level"], event["tags"]["alert"]) for event in sentry] == [
        (MISSING, "fatal", MISSING)
    ]
    assert "ada" not in repr(sentry[0].get("message"))
    assert told() == [(MISSING, "CRITICAL", 1)]


def test_a_flood_is_told_once_and_then_counted(table: SqliteMirror, sentry: list[dict[str, Any]], told: Any) -> None:
    with opened(bare_wsgi, table.url) as site:
        for number in range(10_000):
            assert site.get(customer=f"nobody-{number}").status == 402
    assert told() == [(MISSING, "CRITICAL", 1)]
    _alerts.alerts.flush()
    assert told() == [(MISSING, "CRITICAL", 1), (MISSING, "CRITICAL", 9_999)]
    assert [(event["level"], event["extra"]["count"]) for event in sentry] == [("fatal", 1), ("fatal", 9_999)]


def test_a_reporter_that_fails_changes_no_answer(
    table: SqliteMirror, sentry: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, told: Any
) -> None:
    import sentry_sdk

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(sentry_sdk.Scope, "capture_message", fail)
    with opened(bare_wsgi, table.url) as site:
        assert site.get().status == 402
        assert site.calls == []
    assert told() == [(MISSING, "CRITICAL", 1)]


def test_a_log_that_fails_changes_no_answer(table: SqliteMirror) -> None:
    class Failing(logging.Handler):
        def emit(self, _record: logging.LogRecord) -> None:
            raise RuntimeError("no disk")

    handler = Failing()
    logging.getLogger("py_paywall").addHandler(handler)
    try:
        for skin in SKINS:
            with opened(skin, table.url) as site:
                assert (site.get().status, site.calls) == (402, [])
    finally:
        logging.getLogger("py_paywall").removeHandler(handler)


ALONE = """
import logging, os, sys, warnings
sys.modules["sentry_sdk"] = None  # As where it is not installed.
logging.basicConfig(format="%(name)s %(levelname)s %(message)s")
logging.getLogger("py_paywall").setLevel(logging.CRITICAL)
from frameworks.skins import bare_wsgi
site = bare_wsgi(sys.argv[1], lambda customer: customer)
for number in range(3):
    assert site.get(customer=f"nobody-{number}").status == 402
if len(sys.argv) > 2:
    warnings.simplefilter("ignore", DeprecationWarning)  # Threads and forks: just that is tested.
    child = os.fork()
    for number in range(2):
        assert site.get(customer=f"nobody-{number}").status == 402
    if child:
        assert os.waitpid(child, 0)[1] == 0
"""


def alone(*arguments: str) -> list[str]:
    """What a process of its own tells of alerts."""
    tests = Path(__file__).parents[1]
    paths = [str(tests), *sys.path]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", ALONE, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [line for line in run.stderr.splitlines() if line.startswith("py_paywall.alerts")]


def test_without_sentry_the_log_has_it_and_the_end_of_the_process_tells_the_rest(table: SqliteMirror) -> None:
    assert alone(table.url) == [
        f"py_paywall.alerts CRITICAL {MISSING} (1 times)",
        f"py_paywall.alerts CRITICAL {MISSING} (2 times)",
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_fork_tells_what_it_raised_and_nothing_of_its_parents(table: SqliteMirror) -> None:
    counts = sorted(line.rpartition("(")[2] for line in alone(table.url, "fork"))
    # The parent: 1 at once, 4 at its end. The child: 1 at once, 1 at its end.
    assert counts == ["1 times)", "1 times)", "1 times)", "4 times)"]
