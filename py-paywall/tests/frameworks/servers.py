"""Real servers, in threads of the test's process, and a client that sends what it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass
class Server:
    """A server that listens."""

    port: int

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def get(self, target: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Sends one request, byte for byte as it is written, and reads all that comes: the status and the rest."""
        lines = [f"GET {target} HTTP/1.1", "Connection: close"]
        if "Host" not in headers:
            lines.append("Host: x")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        received = self.send("\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape"))
        status = received[9:12]
        return int(status) if status.isdigit() else 0, received

    def send(self, sent: bytes) -> bytes:
        """Sends these bytes, and reads until the server closes."""
        received = b""
        # A server that refuses to read what it was sent resets the connection.
        with self.connect() as client, contextlib.suppress(ConnectionError):
            client.sendall(sent)
            while data := client.recv(65536):
                received += data
        return received


@contextlib.contextmanager
def served(app: Any, *, is_async: bool, **options: Any) -> Iterator[Server]:
    """Serves an application: by uvicorn, or by werkzeug."""
    with (_by_uvicorn if is_async else _by_werkzeug)(app, **options) as server:
        yield server


@contextlib.contextmanager
def _by_uvicorn(app: Any, **options: Any) -> Iterator[Server]:
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="off", **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield Server(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


@contextlib.contextmanager
def _by_werkzeug(app: Any) -> Iterator[Server]:
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_arguments: Any) -> None:
            pass

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Server(server.server_port)
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()
