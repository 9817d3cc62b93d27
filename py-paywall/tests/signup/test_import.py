"""Importing all customers: thousands, with bad ones among them, in constant memory; and the command that does it."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import sqlite3
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from audit.queue_server import TOKEN, QueueServer
from py_paywall import cli
from py_paywall.signup import Imported, Queue, RegistrationError
from signup.conftest import Make
from signup.recording_queue import Answer

_FOLDER = os.environ.get("BILLING_BIN_DIR", "")
_BINARY = Path(_FOLDER, "queue-server")
needs_queue = pytest.mark.skipif(
    not (_FOLDER and _BINARY.is_file()), reason="BILLING_BIN_DIR names no folder with the binary queue-server"
)
Output = pytest.CaptureFixture[str]

BAD = {7: "with space", 500: "..", 999: "", 1500: "é", 1999: "x" * 300}


def ids(count: int = 2000) -> Iterator[str]:
    return (BAD.get(number, f"user-{number}") for number in range(count))


@needs_queue
def test_two_thousand_are_registered_and_the_bad_ones_listed(tmp_path: Path) -> None:
    server = QueueServer(_BINARY, tmp_path)
    seen: list[tuple[int, int]] = []

    def tell(imported: Imported) -> None:
        seen.append((imported.registered, len(imported.failed)))

    with server.running() as address, Queue(address, token=TOKEN) as queue:
        imported = queue.import_all(ids(), progress=tell)
    assert imported.registered == 1995
    assert {error.customer_id: error.code for error in imported.failed} == dict.fromkeys(
        BAD.values(), "customer_id_invalid"
    )
    assert len(seen) == 2000
    assert [sum(numbers) for numbers in seen] == list(range(1, 2001))
    with closing(sqlite3.connect(server.database)) as database:
        rows = database.execute("select count(*), sum(status = 'none') from billing_subscription_mirror").fetchone()
    assert rows == (1995, 1995)


def test_ids_are_taken_as_they_are_needed(recording: Make) -> None:
    taken = 0

    def generator() -> Iterator[str]:
        nonlocal taken
        for customer_id in ids(300):
            taken += 1
            yield customer_id

    ahead: list[int] = []
    with Queue(recording().url, token=TOKEN) as queue:
        queue.import_all(
            generator(), at_once=8, progress=lambda told: ahead.append(taken - told.registered - len(told.failed))
        )
    assert taken == 300
    assert max(ahead) <= 8


def test_memory_does_not_grow_with_the_number_of_customers(recording: Make) -> None:
    sizes: list[int] = []

    stand_in = recording()

    def tell(imported: Imported) -> None:
        # What the stand-in writes down is its own.
        stand_in.asked.clear()
        if imported.registered in (50, 350):
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    try:
        with Queue(stand_in.url, token=TOKEN) as queue:
            queue.import_all(ids(400), at_once=4, progress=tell)
    finally:
        tracemalloc.stop()
    # A kept answer alone would be several kilobytes a customer.
    assert sizes[-1] - sizes[0] < 300 * 1024


def test_those_who_fail_harm_no_other(recording: Make) -> None:
    stand_in = recording(lambda _, asked: Answer(503 if asked.path.endswith("0") else 200))
    with Queue(stand_in.url, token=TOKEN, tries=2) as queue:
        imported = queue.import_all((f"user-{number}" for number in range(50)), at_once=8)
    assert imported.registered == 45
    assert {(error.code, error.retryable) for error in imported.failed} == {("http_503", True)}
    assert all(error.__traceback__ is None for error in imported.failed)
    assert len(stand_in.asked) == 45 + 2 * 5


def test_a_token_that_is_refused_ends_the_import_at_once(recording: Make) -> None:
    stand_in = recording(lambda *_: Answer(401, b'{"code":"unauthenticated"}'))
    with Queue(stand_in.url, token=TOKEN) as queue, pytest.raises(RegistrationError) as told:
        queue.import_all(ids(), at_once=8)
    assert told.value.everyones
    assert len(stand_in.asked) <= 8


def test_a_source_that_fails_ends_the_import_and_leaves_nothing_behind(recording: Make) -> None:
    def source() -> Iterator[str]:
        yield from ids(20)
        raise ConnectionError("the host's own database is gone")

    with Queue(recording().url, token=TOKEN) as queue, pytest.raises(ConnectionError, match="own database"):
        queue.import_all(source(), at_once=8)


async def test_an_import_that_is_cancelled_leaves_nothing_behind(recording: Make) -> None:
    stand_in = recording(lambda *_: Answer(after_seconds=0.05))
    with Queue(stand_in.url, token=TOKEN) as queue:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(queue.aimport_all(ids(), at_once=4), 0.3)
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
        assert 0 < len(stand_in.asked) < 100


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUEUE_INTERNAL_TOKEN", TOKEN)


def command(url: str, file: object = "-", *more: str) -> int:
    return cli.main(["import-customers", str(file), "--queue-url", url, *more])


@needs_queue
def test_the_command_imports_a_file_and_what_it_prints_can_be_read_again(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ids"
    file.write_bytes(b"\xef\xbb\xbfuser-1\r\n\nuser-2\nuser 3\nuser-1\n\xff\nuser-4")
    server = QueueServer(_BINARY, tmp_path)
    with server.running() as address:
        assert command(address, file) == 1
        said = capsys.readouterr()
        assert sorted(said.out.splitlines()) == ["\\udcff\tcustomer_id_invalid", "user 3\tcustomer_id_invalid"]
        # On a slow machine it tells how far it is meanwhile.
        assert said.err.endswith("registered: 4, failed: 2\n")
        assert command(address, file, "--at-once", "1") == 1
        capsys.readouterr()
        monkeypatch.setattr("sys.stdin", io.StringIO("user-5\thttp_503\nuser-6\n"))
        assert command(address) == 0
        assert capsys.readouterr() == ("", "registered: 2, failed: 0\n")
    with closing(sqlite3.connect(server.database)) as database:
        rows = database.execute("select queue_customer_id from billing_subscription_mirror order by 1").fetchall()
    assert rows == [(f"user-{number}",) for number in (1, 2, 4, 5, 6)]


def test_the_command_tells_now_and_then_how_far_it_is(
    recording: Make, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("py_paywall._commands.import_customers._EVERY_SECONDS", 0.0)
    file = tmp_path / "ids"
    file.write_text("\n".join(f"user-{number}" for number in range(5)))
    assert command(recording().url, file, "--at-once", "1") == 0
    told = capsys.readouterr().err.splitlines()
    assert told == [f"registered: {number}, failed: 0" for number in (1, 2, 3, 4, 5, 5)]


def test_the_command_answers_2_for_what_can_not_be_used(
    recording: Make, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = recording(lambda *_: Answer(401, b'{"code":"unauthenticated"}'))
    file = tmp_path / "ids"
    file.write_text("user-1\nuser-2\n")
    assert command(refusing.url, file) == 2
    assert command(refusing.url, tmp_path / "none") == 2
    assert command(refusing.url, tmp_path) == 2
    assert command("ftp://queue", file) == 2
    monkeypatch.setenv("QUEUE_INTERNAL_TOKEN", "two, tokens")
    assert command(refusing.url, file) == 2
    monkeypatch.delenv("QUEUE_INTERNAL_TOKEN")
    assert command(refusing.url, file) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert len(lines) == 6
    assert all(line.startswith("py-paywall: ") for line in lines)
    assert TOKEN not in said.err
    assert "two, tokens" not in said.err


@pytest.mark.parametrize("count", ["0", "-1", "101", "many", "1.5"])
def test_how_many_at_once_is_a_number(count: str, capsys: Output) -> None:
    with pytest.raises(SystemExit) as ended:
        command("http://queue", "-", "--at-once", count)
    assert ended.value.code == 2
    assert "a number from 1 to 100" in capsys.readouterr().err


def test_without_httpx_the_command_says_what_to_install(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py_paywall.signup", None)
    assert command("http://queue") == 2
    assert "pip install 'py-paywall[signup]'" in capsys.readouterr().err
