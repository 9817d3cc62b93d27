"""A stand-in for Queue that writes down what it is asked, and answers as a test says: for faults that a real one has
seldom.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Asked:
    method: str
    path: str
    authorization: str | None


@dataclass
class Answer:
    status: int = 200
    body: bytes = b'{"outcome":"applied"}'
    headers: dict[str, str] = field(default_factory=dict)
    after_seconds: float = 0


class RecordingQueue:
    """:param answer: called with the number of the request, from 0, and what it asks."""

    def __init__(self, answer: Callable[[int, Asked], Answer] = lambda _number, _asked: Answer()) -> None:
        self.asked: list[Asked] = []
        lock = threading.Lock()
        recording = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                asked = Asked(self.command, self.path, self.headers.get("authorization"))
                with lock:
                    number = len(recording.asked)
                    recording.asked.append(asked)
                told = answer(number, asked)
                time.sleep(told.after_seconds)
                self.send_response(told.status)
                for name, value in {"content-length": str(len(told.body)), **told.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(told.body)

            do_GET = do_PUT = do_POST = _handle  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # Whoever gave up leaves a thread that can't write any more: nothing of ours.
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
