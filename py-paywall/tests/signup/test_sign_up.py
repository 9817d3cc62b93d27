"""Registering one customer: what is asked, what is tried again, and what never leaves."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from audit.queue_server import TOKEN, QueueServer
from py_paywall.signup import Queue, RegistrationError
from signup.conftest import Make
from signup.recording_queue import Answer, Asked

PATH = "/api/v1/billing/customers/"
_FOLDER = os.environ.get("BILLING_BIN_DIR", "")
_BINARY = Path(_FOLDER, "queue-server")

#: Registers a customer.
Register = Callable[[Queue, str], None]


@pytest.fixture(params=["register", "aregister"])
def register(request: pytest.FixtureRequest) -> Register:
    """Both ways, which must do the same."""
    if request.param == "register":
        return lambda queue, customer_id: queue.register(customer_id)
    return lambda queue, customer_id: asyncio.run(queue.aregister(customer_id))


def refusal(register: Register, queue: Queue, customer_id: str = "ada") -> RegistrationError:
    with pytest.raises(RegistrationError) as error:
        register(queue, customer_id)
    assert TOKEN not in f"{error.value} {error.value!r} {vars(error.value)}"
    assert error.value.customer_id == customer_id
    return error.value


def test_a_customer_is_put_with_the_token(recording: Make, register: Register) -> None:
    stand_in = recording()
    for base in (stand_in.url, stand_in.url + "/"):
        with Queue(base, token=f" {TOKEN}\n") as queue:
            register(queue, "ada")
    assert stand_in.asked == [Asked("PUT", PATH + "ada", f"Bearer {TOKEN}")] * 2


def test_what_may_pass_is_tried_again(recording: Make, register: Register) -> None:
    for status in (408, 425, 429, 500, 502, 503, 504):
        stand_in = recording(lambda number, _asked, status=status: Answer(status if number < 4 else 200))
        with Queue(stand_in.url, token=TOKEN) as queue:
            register(queue, "ada")
        assert len(stand_in.asked) == 5


def test_what_does_not_pass_is_given_up_and_may_be_tried_later(recording: Make, register: Register) -> None:
    stand_in = recording(lambda *_: Answer(503, b'{"code":"database_unavailable"}'))
    with Queue(stand_in.url, token=TOKEN, tries=3) as queue:
        error = refusal(register, queue)
    assert (error.code, error.retryable, error.everyones, len(stand_in.asked)) == (
        "database_unavailable", True, False, 3,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "code", "everyones"),
    [
        (401, b'{"code":"unauthenticated"}', "unauthenticated", True),
        (403, b"<html>", "http_403", True),
        (404, b"", "http_404", False),
        (422, b'{"code":"customer_id_invalid"}', "customer_id_invalid", False),
        (400, b'{"code":7}', "7", False),
        (400, b"[]", "http_400", False),
        (400, b'{"code":"' + b"x" * 1000 + b'"}', "http_400", False),
        (400, b'{"code":"\x1b[2J"}', "http_400", False),
        (418, b'{"code":"a b"}', "http_418", False),
        (400, b"\xff", "http_400", False),
    ],
)
def test_what_can_not_pass_is_asked_once(
    status: int, body: bytes, code: str, everyones: bool, recording: Make, register: Register
) -> None:
    stand_in = recording(lambda *_: Answer(status, body))
    with Queue(stand_in.url, token=TOKEN) as queue:
        error = refusal(register, queue)
    assert (error.code, error.retryable, error.everyones, len(stand_in.asked)) == (code, False, everyones, 1)


def test_no_redirect_is_followed_and_no_token_goes_elsewhere(recording: Make, register: Register) -> None:
    elsewhere = recording()
    for status in (301, 302, 303, 307, 308):
        stand_in = recording(
            lambda _number, asked, status=status: Answer(status, b"", {"location": elsewhere.url + asked.path})
        )
        with Queue(stand_in.url, token=TOKEN) as queue:
            assert refusal(register, queue).code == f"http_{status}"
        assert len(stand_in.asked) == 1
    assert elsewhere.asked == []


def test_a_queue_that_hangs_is_given_up_in_time(recording: Make, register: Register) -> None:
    stand_in = recording(lambda *_: Answer(after_seconds=30))
    began = time.monotonic()
    with Queue(stand_in.url, token=TOKEN, timeout=0.2, tries=2) as queue:
        error = refusal(register, queue)
    assert (error.code, error.retryable) == ("unreachable", True)
    assert time.monotonic() - began < 10


def test_a_queue_that_is_not_there_may_be_tried_later(register: Register) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Queue(f"http://127.0.0.1:{port}", token=TOKEN, tries=2) as queue:
        error = refusal(register, queue)
    assert (error.code, error.retryable) == ("unreachable", True)


ODD = [
    "../x", "..%2fx", "a/b", "a?b", "a#b", "a%2Fb", "%2e%2e", "a;b", "a\\b", "//host/x", "http://host/", "a b", "a\0b",
    "é", "\n", "...", "a\r\nx-header: y", "@host", ":80", "?", "#", "%", "+", "~", "*",
]  # fmt: skip


@pytest.mark.parametrize("customer_id", ODD)
def test_an_odd_id_never_becomes_another_path(customer_id: str, recording: Make, register: Register) -> None:
    stand_in = recording()
    with Queue(stand_in.url, token=TOKEN) as queue:
        register(queue, customer_id)
    (asked,) = stand_in.asked
    assert asked.method == "PUT"
    assert asked.path.startswith(PATH)
    segment = asked.path.removeprefix(PATH)
    assert not set(segment) & set("/?#\\")
    assert unquote(segment) == customer_id


@pytest.mark.parametrize("customer_id", ["", ".", "..", "\ud800", "a\udcff"])
def test_what_can_be_no_segment_is_not_even_asked_for(customer_id: str, recording: Make, register: Register) -> None:
    stand_in = recording()
    with Queue(stand_in.url, token=TOKEN) as queue:
        error = refusal(register, queue, customer_id)
    assert (error.code, error.retryable) == ("customer_id_invalid", False)
    assert stand_in.asked == []


def test_an_id_that_is_no_text_is_a_mistake_that_is_told(recording: Make, register: Register) -> None:
    with Queue(recording().url, token=TOKEN) as queue, pytest.raises(TypeError, match="not int"):
        register(queue, 42)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url", ["", "queue", "ftp://queue", "http://", "https:///x", "queue:8080", "http://q/?a", "http://q/#a"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        Queue(url, token=TOKEN)


@pytest.mark.parametrize("token", ["", " ", "\n", "a b", "one,two", "é", "a\nb"])
def test_what_can_be_no_token_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError, match="QUEUE_INTERNAL_TOKEN") as error:
        Queue("http://queue", token=token)
    assert token.strip() == "" or token not in str(error.value)


def test_the_token_is_in_no_text_and_no_log(
    recording: Make, register: Register, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stand_in = recording(lambda *_: Answer(401, b'{"code":"unauthenticated"}'))
    with Queue(f"{stand_in.url}/base", token=TOKEN) as queue:
        assert repr(queue) == str(queue) == "Queue('127.0.0.1')"
        refusal(register, queue)
    assert stand_in.asked[0].path == f"/base{PATH}ada"
    assert TOKEN not in caplog.text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_client_that_was_used_before_a_fork_works_in_both(recording: Make) -> None:
    stand_in = recording()
    with Queue(stand_in.url, token=TOKEN) as queue:
        queue.register("before")
        child = os.fork()
        if child == 0:
            for number in range(20):
                queue.register(f"child-{number}")
            os._exit(0)
        for number in range(20):
            queue.register(f"parent-{number}")
        assert os.waitpid(child, 0)[1] == 0
    assert len({asked.path for asked in stand_in.asked}) == len(stand_in.asked) == 41


@pytest.mark.skipif(
    not (_FOLDER and _BINARY.is_file()), reason="BILLING_BIN_DIR names no folder with the binary queue-server"
)
def test_a_real_queue_registers_and_refuses_as_it_says(tmp_path: Path, register: Register) -> None:
    server = QueueServer(_BINARY, tmp_path)
    with server.running() as address:
        with Queue(address, token=TOKEN) as queue:
            for customer_id in ("ada", "ada", "a/b", "../x", "a?b", "..%2Fx", "#", "x" * 248):
                register(queue, customer_id)
            for customer_id in ("a b", "é", "x" * 249, "stripe:cus_1", "a\nb"):
                error = refusal(register, queue, customer_id)
                assert (error.code, error.retryable) == ("customer_id_invalid", False)
        with Queue(address, token="another-token-of-somebodys") as stranger, pytest.raises(RegistrationError) as told:
            register(stranger, "eve")
        assert (told.value.code, told.value.everyones) == ("unauthenticated", True)
