"""Forks, beside whatever is under way: parent and child decide rightly, and in time."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from conftest import SqliteMirror
from programs import run

if not hasattr(os, "fork"):
    pytest.skip("there are no forks here", allow_module_level=True)

#: What all the programs below begin with. `forked` runs something in a child and tells what it answered.
PRELUDE = """
    import asyncio, contextlib, ctypes, logging, multiprocessing, os, sys, threading, time, warnings
    # Python 3.12 and newer warn of any fork beside a thread: that it must work here all the same is what is tested.
    warnings.simplefilter("ignore", DeprecationWarning)
    from py_paywall import Mirror

    def code():
        "What is decided, if it is within a second."
        began = time.monotonic()
        told = mirror.decide("ada", "pro").code
        return told if time.monotonic() - began < 1 else f"{told}, late"

    async def ask():
        return {decision.code for decision in await asyncio.gather(*(mirror.adecide("ada", "pro") for _ in range(20)))}

    def forked(answer, fork=os.fork):
        reader, writer = os.pipe()
        child = fork()
        if child == 0:
            try:
                os.write(writer, answer().encode())
            finally:
                os._exit(0)
        os.close(writer)
        with open(reader) as told:
            answered = told.read()
        os.waitpid(child, 0)
        return answered

    @contextlib.contextmanager
    def busy():
        "Reads without a pause, of threads and of a loop. Gives what they were told."
        told, over = set(), threading.Event()

        def read():
            while not over.is_set():
                told.add(mirror.decide("ada", "pro").code)

        async def read_many():
            while not over.is_set():
                told.update(await ask())

        threads = [threading.Thread(target=read) for _ in range(3)]
        threads.append(threading.Thread(target=lambda: asyncio.run(read_many())))
        for thread in threads:
            thread.start()
        yield told
        over.set()
        for thread in threads:
            thread.join()

    mirror = Mirror.connect(sys.argv[1])
"""


def program(text: str) -> str:
    return textwrap.dedent(PRELUDE) + textwrap.dedent(text)


@pytest.fixture(params=["wal", "delete"])
def mirror(request: pytest.FixtureRequest, table: SqliteMirror) -> SqliteMirror:
    """A mirror with ada in it."""
    table.execute(f"pragma journal_mode = {request.param}")
    table.put("ada")
    return table


@pytest.fixture
def postgres_mirror(postgres_url: str) -> str:
    """The URL of another."""
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "insert into billing_subscription_mirror values ('ada', 'pro', 'active', now() + interval '1 day', now())"
        )
    return postgres_url


USED_BEFORE = program("""
    assert mirror.decide("ada", "pro").allowed
    assert asyncio.run(ask()) == {"allow"}
    def answer():
        return f"{code()} {asyncio.run(ask())} {forked(lambda: f'{code()} {asyncio.run(ask())}')}"
    for _ in range(6):
        assert forked(answer) == "allow {'allow'} allow {'allow'}"
        assert code() == "allow"
    assert asyncio.run(ask()) == {"allow"}
    print("all of them")
""")


def test_a_mirror_that_was_used_before_a_fork_works_in_children_and_parent(mirror: SqliteMirror) -> None:
    assert run(USED_BEFORE, mirror.url) == "all of them\n"


def test_a_mirror_in_postgresql_survives_forks_too(postgres_mirror: str) -> None:
    assert run(USED_BEFORE, postgres_mirror) == "all of them\n"


BUSY = program("""
    with busy() as told:
        children = [forked(code) for _ in range(int(sys.argv[2]))]
    print({code: children.count(code) for code in children}, told)
""")


def test_forks_beside_a_busy_mirror_leave_no_child_a_lock(mirror: SqliteMirror) -> None:
    assert run(BUSY, mirror.url, "300") == "{'allow': 300} {'allow'}\n"


def test_forks_beside_a_busy_mirror_in_postgresql_disturb_no_read(postgres_mirror: str) -> None:
    assert run(BUSY, postgres_mirror, "100") == "{'allow': 100} {'allow'}\n"


def test_threads_that_fork_at_once_wait_for_each_other_and_for_reads(mirror: SqliteMirror) -> None:
    told = run(
        program("""
        children = []
        def fork_on():
            for _ in range(20):
                children.append(forked(code))
        with busy() as told:
            threads = [threading.Thread(target=fork_on) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        print(len(children), set(children), told)
        """),
        mirror.url,
    )
    assert told == "80 {'allow'} {'allow'}\n"


def test_a_loop_that_forks_with_reads_in_flight_gets_their_answers(mirror: SqliteMirror) -> None:
    told = run(
        program("""
        async def fork_on():
            children = set()
            for _ in range(30):
                reads = [mirror.adecide("ada", "pro") for _ in range(50)]
                children.add(forked(code))
                assert {(await read).code for read in reads} == {"allow"}
            return children
        print(asyncio.run(fork_on()))
        """),
        mirror.url,
    )
    assert told == "{'allow'}\n"


def test_children_that_are_busy_fork_as_well(mirror: SqliteMirror) -> None:
    told = run(
        program("""
        def answer():
            with busy() as told:
                grandchildren = {forked(code) for _ in range(10)}
            return f"{grandchildren} {told}"
        with busy() as told:
            print({forked(answer) for _ in range(5)}, told)
        """),
        mirror.url,
    )
    assert told == "{\"{'allow'} {'allow'}\"} {'allow'}\n"


def test_a_process_of_multiprocessing_is_such_a_child(mirror: SqliteMirror) -> None:
    told = run(
        program("""
        with busy() as told, multiprocessing.get_context("fork").Pool(4) as pool:
            print(set(pool.starmap(code, [()] * 40)), told)
        """),
        mirror.url,
    )
    assert told == "{'allow'} {'allow'}\n"


def test_several_mirrors_are_closed_together_and_each_is_there_again(
    mirror: SqliteMirror, tmp_path: Path, postgres_mirror: str
) -> None:
    other = SqliteMirror(tmp_path / "other.db")
    other.path.write_bytes(mirror.path.read_bytes())
    other.put("ada", status="past_due")
    told = run(
        program("""
        mirrors = [mirror, *map(Mirror.connect, sys.argv[2:])]
        def codes():
            return " ".join(mirror.decide("ada", "pro").code for mirror in mirrors)
        with busy() as told:
            print({codes() for _ in range(3)} | {forked(codes) for _ in range(50)} | {codes()}, told)
        """),
        mirror.url,
        other.url,
        postgres_mirror,
    )
    assert told == "{'allow not_entitled allow'} {'allow'}\n"


def test_a_child_sees_what_changes_after_its_parent_ended(table: SqliteMirror) -> None:
    """A child that took its parent's locks for its own would have its log deleted beneath it, and allow for ever."""
    table.execute("pragma journal_mode = wal")
    table.put("ada")
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            program("""
            assert code() == "allow"
            if os.fork():
                os._exit(0)
            print(code(), flush=True)
            while sys.stdin.readline():
                print(code(), flush=True)
            """),
            table.url,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "allow\n"
        child.wait(30)
        # Each is a process's whole life with the file: Queue that writes, and ends.
        table.put("bob")
        child.stdin.write("\n")
        assert child.stdout.readline() == "allow\n"
        table.put("ada", status="past_due")
        child.stdin.write("\n")
        assert child.stdout.readline() == "not_entitled\n"


HANGS = """
    hanging = Mirror.connect(sys.argv[2])
    class Told(logging.Handler):
        def emit(self, record):
            print(record.levelname, record.name)
    logging.getLogger("py_paywall").addHandler(Told())

    assert code() == "allow"
    assert hanging.decide("ada", "pro").code == "mirror_timed_out"
    began = time.monotonic()
    def answer():
        return f"{time.monotonic() - began < 3} {code()} {forked(code)}"
    print(forked(answer), code(), flush=True)
    os._exit(0)
"""


def test_a_read_that_never_ends_holds_no_fork_up_and_its_child_stays_closed(
    mirror: SqliteMirror, tmp_path: Path
) -> None:
    hanging = SqliteMirror(tmp_path / "hanging.db")
    hanging.execute(
        "create view billing_subscription_mirror as with recursive without_end (n) as (select 1 union all "
        "select n + 1 from without_end) select cast(count(*) as text) as queue_customer_id, 'pro' as plan_tier, "
        "'active' as status, '' as current_period_end, '' as updated_at from without_end"
    )
    told = run(program(HANGS), mirror.url, hanging.url)
    # In the child of the child as well, and at once; in the parent nothing is amiss.
    assert told == "ERROR py_paywall\nTrue mirror_unavailable mirror_unavailable allow\n"


def test_a_lock_that_somebody_else_holds_is_waited_for_and_costs_no_child_its_mirror(
    mirror: SqliteMirror, tmp_path: Path
) -> None:
    locked = SqliteMirror(tmp_path / "locked.db")
    locked.path.write_bytes(mirror.path.read_bytes())
    locked.execute("pragma journal_mode = delete")
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sqlite3, sys; connection = sqlite3.connect(sys.argv[1], isolation_level=None);"
            "connection.execute('begin exclusive'); print('held', flush=True); sys.stdin.read()",
            str(locked.path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"
        told = run(program(HANGS), mirror.url, locked.url)
        holder.stdin.close()
    assert told == "True allow allow allow\n"


def test_a_fork_that_python_is_not_asked_about_leaves_its_child_closed_if_sqlite_was_open(mirror: SqliteMirror) -> None:
    told = run(
        program("""
        fork = ctypes.PyDLL(None).fork
        print(forked(code, fork))
        assert code() == "allow"
        print(forked(code, fork), forked(lambda: forked(code), fork), code())
        # What was forked as it should be is not closed by what came before.
        print(forked(code))
        """),
        mirror.url,
    )
    assert told == "allow\nmirror_unavailable mirror_unavailable allow\nallow\n"


def test_a_fork_beside_nothing_waits_for_nothing(mirror: SqliteMirror) -> None:
    told = run(
        program("""
        began = time.monotonic()
        assert {forked(code) for _ in range(20)} == {"allow"}
        assert code() == "allow"
        assert {forked(code) for _ in range(20)} == {"allow"}
        mirror.close()
        assert forked(code) == "allow"
        print(time.monotonic() - began < 10)
        """),
        mirror.url,
    )
    assert told == "True\n"


def test_a_hook_that_waits_for_a_decision_hangs_no_fork(mirror: SqliteMirror) -> None:
    """It is told that nobody knows, for all is closed then; and it was registered before ours, so it runs after."""
    told = run(
        """
        import os, sys
        mirrors, told = [], []
        os.register_at_fork(before=lambda: told.extend(mirror.decide("ada", "pro").code for mirror in mirrors))
        from py_paywall import Mirror

        mirrors.append(Mirror.connect(sys.argv[1]))
        assert mirrors[0].decide("ada", "pro").allowed
        child = os.fork()
        if child == 0:
            os._exit(0 if mirrors[0].decide("ada", "pro").allowed else 1)
        print(os.waitpid(child, 0)[1], told, mirrors[0].decide("ada", "pro").code)
        """,
        mirror.url,
    )
    assert told == "0 ['mirror_timed_out'] allow\n"
