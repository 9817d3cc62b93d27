"""Real web servers in front of small applications: started on a free port, watched, stopped."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

_PATIENCE_SECONDS = 60
_TESTS = Path(__file__).parents[1]


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port: int = free.getsockname()[1]
    return port


class WebServer:
    """A server's command, what it serves and what that is told.

    :param command: with `{app}`, `{host}` and `{port}` to be filled in.
    """

    def __init__(
        self, command: Sequence[str], app: str, folder: Path, environment: Mapping[str, str], port: int | None = None
    ) -> None:
        self.port = port or free_port()
        self.log = folder / "server.log"
        self._command = [part.format(app=app, host="127.0.0.1", port=self.port) for part in command]
        packages = [str(_TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._environment = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(packages)}

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Its process, while it answers. All of its group is gone in the end."""
        call = [sys.executable, "-m", *self._command]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                call, env=self._environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            self._wait(process)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask("/health") == 200:
                    return
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self._command[0]} did not start: {self.log.read_text()}")
            time.sleep(0.05)

    def ask(self, path: str, customer: str | None = None) -> int:
        """The status of one answer."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("GET", path, headers={} if customer is None else {"x-customer": customer})
            return connection.getresponse().status

    def workers(self, process: subprocess.Popen[bytes]) -> list[int]:
        """The processes that the server has started."""
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in found.stdout.split()]
