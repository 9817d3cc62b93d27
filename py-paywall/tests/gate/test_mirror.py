"""Reading the mirror: decisions from rows, and closed whatever is wrong with them."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from py_paywall import Decision, Mirror

from conftest import SqliteMirror, in_hours

if TYPE_CHECKING:
    from collections.abc import Callable

    from py_paywall._native import Completions


def both(mirror: Mirror, customer: str, tier: str = "pro") -> Decision:
    """Decides in both ways, which must agree."""

    async def ask() -> Decision:
        return await mirror.adecide(customer, tier)

    decision = mirror.decide(customer, tier)
    assert decision == asyncio.run(ask())
    return decision


def test_a_row_decides(table: SqliteMirror) -> None:
    table.put("ada")
    table.put("bob", status="past_due")
    table.put("eve", tier="free", status="none", period_end=None)
    mirror = Mirror.connect(table.url)
    told = {name: both(mirror, name).code for name in ("ada", "bob", "eve", "mallory")}
    assert told == {"ada": "allow", "bob": "not_entitled", "eve": "not_entitled", "mallory": "no_row"}
    assert both(mirror, "ada").tier == "pro"
    assert both(mirror, "ada", "pro_plus").code == "tier_too_low"


def test_a_change_is_seen_by_the_next_read(table: SqliteMirror) -> None:
    mirror = Mirror.connect(table.url)
    for status, code in (("active", "allow"), ("past_due", "not_entitled")) * 5:
        table.put("ada", status=status)
        assert both(mirror, "ada").code == code


@pytest.mark.parametrize("customer", ["", "with space", "é", "a" * 256, "line\nbreak", "nul\0"])
def test_what_is_no_id_is_nobody(table: SqliteMirror, customer: str) -> None:
    assert both(Mirror.connect(table.url), customer).code == "no_identity"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: table.put("ada", status="ACTIVE"),
        lambda table: table.put("ada", status=None),
        lambda table: table.put("ada", tier=None),
        lambda table: table.put("ada", tier="gold"),
        lambda table: table.put("ada", updated_at=None),
        lambda table: table.put("ada", period_end="tomorrow"),
        lambda table: table.execute("update billing_subscription_mirror set status = 7"),
        lambda table: table.execute("drop table billing_subscription_mirror"),
        lambda table: table.execute("alter table billing_subscription_mirror drop column status"),
        lambda table: table.path.unlink(),
        lambda table: table.path.write_bytes(b"no database" * 1000),
    ],
    ids=[
        "unknown status", "null status", "null tier", "unknown tier", "null version", "no instant", "a number",
        "no table", "no column", "no file", "no database",
    ],
)  # fmt: skip
def test_whatever_is_wrong_is_unknown_and_the_next_reader_is_served(
    table: SqliteMirror, tmp_path_factory: pytest.TempPathFactory, spoil: Callable[[SqliteMirror], object]
) -> None:
    table.make_loose()
    table.put("ada")
    spoil(table)
    decision = both(Mirror.connect(table.url), "ada")
    assert (decision.allowed, decision.retryable, decision.tier) == (False, True, None)


def test_a_malformed_row_harms_nobody_who_is_read_with_it(table: SqliteMirror) -> None:
    table.make_loose()
    names = [f"user-{number}" for number in range(200)]
    for number, name in enumerate(names):
        table.put(name, status=None if number % 3 == 0 else "active")
    mirror = Mirror.connect(table.url, connections=1)

    async def ask() -> list[str]:
        return [decision.code for decision in await asyncio.gather(*(mirror.adecide(name, "pro") for name in names))]

    expected = ["mirror_row_malformed" if number % 3 == 0 else "allow" for number in range(200)]
    assert asyncio.run(ask()) == expected


def test_a_database_that_hangs_is_unknown_within_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mirror = Mirror.connect(f"postgresql://app@127.0.0.1:{silent.getsockname()[1]}/app")
        began = time.monotonic()
        decision = both(mirror, "ada")
        assert (decision.code, decision.retryable) == ("mirror_timed_out", True)
        # Two reads of a second each, on whatever machine.
        assert time.monotonic() - began < 8


def test_a_database_that_is_not_there_is_unknown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert both(Mirror.connect(f"postgresql://app@127.0.0.1:{port}/app"), "ada").retryable


@pytest.mark.parametrize(
    "url",
    ["", "app.db", "mysql://app:secret@db/app", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://secret.db",
     "postgres", "secret"],
)  # fmt: skip
def test_other_urls_are_refused_and_never_shown(url: str) -> None:
    with pytest.raises(ValueError, match="postgresql://USER@HOST/NAME") as error:
        Mirror.connect(url)
    assert "secret" not in str(error.value)


def test_urls_are_taken_as_sqlalchemy_writes_them(table: SqliteMirror, monkeypatch: pytest.MonkeyPatch) -> None:
    table.put("ada")
    monkeypatch.chdir(table.path.parent)
    odd = table.path.with_name("a b?c%20d#e.db")
    odd.write_bytes(table.path.read_bytes())
    for url in ("sqlite:///app.db", "sqlite+aiosqlite:///app.db", table.url, f"sqlite:///{odd}"):
        assert Mirror.connect(url).decide("ada", "pro").allowed, url


def test_misuse_raises(table: SqliteMirror) -> None:
    mirror = Mirror.connect(table.url)
    for tier in ("free", "gold", "PRO", ""):
        with pytest.raises(ValueError, match=r"tier|lower-case"):
            mirror.decide("ada", tier)
    with pytest.raises(ValueError, match="connection"):
        Mirror.connect(table.url, connections=0)
    for seconds in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="timeout"):
            Mirror.connect(table.url, timeout=seconds)
    with pytest.raises(RuntimeError):
        mirror.adecide("ada", "pro")


def test_many_threads_and_loops_share_one_mirror(table: SqliteMirror) -> None:
    table.put("ada")
    mirror = Mirror.connect(table.url)
    codes: list[str] = []

    async def ask() -> None:
        for _ in range(5):
            decisions = await asyncio.gather(*(mirror.adecide("ada", "pro") for _ in range(20)))
            codes.extend(decision.code for decision in decisions)

    threads = [threading.Thread(target=lambda: asyncio.run(ask())) for _ in range(8)]
    threads += [threading.Thread(target=lambda: codes.append(mirror.decide("ada", "pro").code)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert codes == ["allow"] * (8 * 100 + 8)


def test_uvloop_serves_as_asyncio_does(table: SqliteMirror) -> None:
    uvloop = pytest.importorskip("uvloop")
    table.put("ada")
    mirror = Mirror.connect(table.url)

    async def ask() -> list[str]:
        decisions = await asyncio.gather(*(mirror.adecide(name, "pro") for name in ["ada", "eve"] * 50))
        return [decision.code for decision in decisions]

    for _ in range(3):
        assert uvloop.run(ask()) == ["allow", "no_row"] * 50


def test_a_loop_that_can_watch_no_pipe_is_served_too(table: SqliteMirror) -> None:
    class Plain(asyncio.SelectorEventLoop):
        def add_reader(self, *_arguments: object) -> None:
            raise NotImplementedError

    table.put("ada")
    mirror = Mirror.connect(table.url)

    async def ask() -> bool:
        return all([(await mirror.adecide("ada", "pro")).allowed for _ in range(10)])

    # A loop needs a reader of its own to be woken by threads: the real one.
    loop = Plain.__new__(Plain)
    add_reader = Plain.add_reader
    Plain.add_reader = asyncio.SelectorEventLoop.add_reader  # type: ignore[method-assign, assignment]
    loop.__init__()  # type: ignore[misc]
    Plain.add_reader = add_reader  # type: ignore[method-assign]
    try:
        assert loop.run_until_complete(ask())
    finally:
        loop.close()


def test_a_cancelled_read_leaves_nothing_behind(table: SqliteMirror) -> None:
    from py_paywall import _completions

    table.put("ada")
    mirror = Mirror.connect(table.url)

    async def ask() -> None:
        for _ in range(50):
            task = asyncio.ensure_future(mirror.adecide("ada", "pro"))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (await mirror.adecide("ada", "pro")).allowed
        for _ in range(100):
            if len(_completions.of(asyncio.get_running_loop())) == 0:
                return
            await asyncio.sleep(0.05)
        pytest.fail("futures are kept for ever")

    asyncio.run(ask())


@pytest.mark.parametrize("watches", [True, False], ids=["watched by the loop", "watched by a thread"])
def test_loops_that_are_closed_with_reads_under_way_leave_no_file_and_no_thread(
    watches: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from py_paywall import _completions

    if not watches:
        wait = _completions._wait

        def watch(loop: asyncio.AbstractEventLoop, completions: Completions) -> None:
            threading.Thread(target=wait, args=(loop, completions), daemon=True).start()

        monkeypatch.setattr(_completions, "_watch", watch)
    files = Path("/proc/self/fd")
    if not files.is_dir():
        pytest.skip("no /proc that tells which files are open")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mirror = Mirror.connect(f"postgresql://app@127.0.0.1:{silent.getsockname()[1]}/app", timeout=1)

        async def give_up() -> None:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(mirror.adecide("ada", "pro"), 0.01)

        def count() -> tuple[int, int]:
            time.sleep(2)
            gc.collect()
            return len(list(files.iterdir())), threading.active_count()

        asyncio.run(give_up())
        open_before, threads_before = count()
        for _ in range(60):
            asyncio.run(give_up())
        open_after, threads_after = count()
    assert open_after - open_before < 10
    assert threads_after - threads_before < 5


def test_a_closed_mirror_connects_again(table: SqliteMirror) -> None:
    table.put("ada", period_end=in_hours(1))
    mirror = Mirror.connect(table.url)
    for _ in range(3):
        assert mirror.decide("ada", "pro").allowed
        mirror.close()
        mirror.close()
