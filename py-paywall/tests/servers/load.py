"""wrk, asking one server for what is paid for, as fast as it can."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).with_name("statuses.lua")


@dataclass
class Summary:
    """What wrk saw."""

    statuses: dict[int, int] = field(default_factory=dict)
    #: Of sockets: connect, read, write, timeout. Statuses that are no 2xx are none here.
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        return sum(self.statuses.values())


def program() -> str:
    """Where wrk is; without one the test is skipped."""
    path = os.environ.get("WRK_BIN", "")
    if not Path(path).is_file():
        pytest.skip("WRK_BIN names no wrk: `cargo xtask test` gets one where it can")
    return path


@contextmanager
def load(port: int, seconds: int, connections: int = 12) -> Iterator[Summary]:
    """wrk runs meanwhile; the summary is filled at the end."""
    environment = dict(os.environ)
    if libraries := os.environ.get("WRK_LIBRARY_PATH"):
        environment["LD_LIBRARY_PATH"] = libraries
    call = [program(), "--threads=1", f"--connections={connections}", f"--duration={seconds}s", "--timeout=30s"]
    call += [f"--script={_SCRIPT}", f"http://127.0.0.1:{port}/reports"]
    summary = Summary()
    wrk = subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield summary
        told, _ = wrk.communicate(timeout=seconds + 60)
    finally:
        wrk.kill()
        wrk.wait()
    assert wrk.returncode == 0, told
    for line in told.splitlines():
        match line.split():
            case ["status", status, count]:
                summary.statuses[int(status)] = int(count)
            case ["error", kind, count] if kind != "status":
                summary.errors[kind] = int(count)
    assert summary.requests, told
