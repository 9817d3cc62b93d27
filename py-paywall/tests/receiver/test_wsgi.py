"""What only a WSGI server does to a receiver: what it says of the body's length, and how reading fails."""

from __future__ import annotations

import io

import pytest

from py_paywall.receiver import WsgiReceiver
from receiver.pushes import SECRET, Request, a_push, a_row, ask_wsgi

from conftest import SqliteMirror


@pytest.fixture
def taker(table: SqliteMirror) -> WsgiReceiver:
    return WsgiReceiver(mirror=table.url, secrets=SECRET)


BODY = a_push(a_row())


@pytest.mark.parametrize(
    ("length", "status"),
    [
        (str(len(BODY)), 200),
        # The client left before it had sent what it had announced: there is no more.
        (str(len(BODY) + 1), 200),
        (str(len(BODY) - 1), 400),
        ("9" * 5000, 200),
        ("0", 400),
        ("", 400),
        ("-1", 400),
        ("1e3", 400),
        ("١٢", 400),
    ],
)
def test_a_length_that_lies_is_believed_no_further_than_the_signature(
    length: str, status: int, taker: WsgiReceiver, table: SqliteMirror
) -> None:
    assert ask_wsgi(taker, Request(BODY), CONTENT_LENGTH=length).status == status
    assert len(table.execute("select * from billing_subscription_mirror")) == (status == 200)


def test_a_chunked_body_is_read_where_the_server_marks_its_end(taker: WsgiReceiver) -> None:
    environ = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}
    assert ask_wsgi(taker, Request(BODY), **environ, **{"wsgi.input_terminated": True}).status == 200
    # Elsewhere nobody knows where it ends: to read on could be to wait for ever.
    assert ask_wsgi(taker, Request(BODY), **environ).status == 400


def test_no_more_is_read_than_is_looked_at(taker: WsgiReceiver) -> None:
    class Endless(io.BytesIO):
        asked = 0

        def read(self, size: int | None = -1) -> bytes:
            assert size is not None
            self.asked += size
            return b" " * size

    endless = Endless()
    answer = ask_wsgi(taker, Request(BODY), CONTENT_LENGTH=str(1 << 40), **{"wsgi.input": endless})
    assert (answer.status, answer.code) == (413, "body_too_large")
    assert endless.asked == (1 << 20) + 1


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError(), OSError("no more data")])
def test_a_client_that_leaves_within_the_body_changes_nothing(
    error: OSError, taker: WsgiReceiver, table: SqliteMirror
) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise error

    assert ask_wsgi(taker, Request(BODY), **{"wsgi.input": Broken()}).status == 408
    assert table.execute("select * from billing_subscription_mirror") == []
