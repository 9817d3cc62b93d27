"""Both receivers beyond the vectors: odd requests, rotation, order, and databases that fail."""

from __future__ import annotations

import random
import socket
import time

import pytest

from py_paywall import Mirror
from receiver.conftest import Make
from receiver.pushes import SECRET, Answer, Ask, Request, a_push, a_row, signed

from conftest import SqliteMirror

NEXT = "the secret that comes next"


def allowed(mirror: str, customer: str = "ada") -> bool:
    return Mirror.connect(mirror, timeout=30).decide(customer, "pro").allowed


def applied(answer: Answer) -> bool:
    assert (answer.status == 200) == (answer.body == b'{"outcome":"applied"}')
    return answer.status == 200


def test_a_push_opens_and_closes_the_gate(ask: Ask, table: SqliteMirror) -> None:
    for version, status in enumerate(["active", "past_due", "trialing", "canceled"], 1):
        assert applied(ask(Request(a_push(a_row(status=status, version=version)))))
        assert allowed(table.url) == (status in ("active", "trialing"))


def test_an_older_row_after_a_newer_one_changes_nothing_m2(ask: Ask, table: SqliteMirror) -> None:
    assert applied(ask(Request(a_push(a_row(status="active", version=2)))))
    for version in (1, 2):
        assert applied(ask(Request(a_push(a_row(status="canceled", version=version)))))
        assert allowed(table.url)


def test_pushes_in_any_order_and_twice_end_with_the_newest_m2(ask: Ask, table: SqliteMirror) -> None:
    rows = [a_row(status="past_due" if version < 40 else "active", version=version) for version in range(1, 41)]
    pushes = [a_push(*random.sample(rows, 5)) for _ in range(10)] + [a_push(row) for row in rows]
    random.shuffle(pushes)
    assert all(applied(ask(Request(push))) for push in pushes)
    assert table.execute("select updated_at from billing_subscription_mirror") == [(rows[-1]["updated_at"],)]
    assert allowed(table.url)


def test_one_push_takes_a_thousand_rows_and_no_more(ask: Ask, table: SqliteMirror) -> None:
    rows = [a_row(f"user-{number}") for number in range(1001)]
    refused = ask(Request(a_push(*rows)))
    assert (refused.status, refused.code) == (422, "mirror_rows_refused")
    assert applied(ask(Request(a_push(*rows[:1000]))))
    assert table.execute("select count(*) from billing_subscription_mirror") == [(1000,)]


def test_fields_that_nobody_knows_are_passed_over(ask: Ask, table: SqliteMirror) -> None:
    assert applied(ask(Request(a_push(a_row(trial=True), version=7))))
    assert allowed(table.url)


def test_one_malformed_row_refuses_the_push_and_none_is_applied(ask: Ask, table: SqliteMirror) -> None:
    for bad in (a_row("eve", status="ACTIVE"), a_row("eve", current_period_end="soon"), {}, None, 7):
        answer = ask(Request(a_push(a_row(), bad)))
        assert (answer.status, answer.code) == (422, "mirror_rows_refused")
    assert table.execute("select * from billing_subscription_mirror") == []


def test_secrets_rotate_whichever_side_knows_the_next_one_first(make: Make, table: SqliteMirror) -> None:
    version = 0
    steps = [(SECRET, [SECRET]), (f"{SECRET},{NEXT}", [SECRET]), (f"{NEXT},{SECRET}", [SECRET, NEXT]), (NEXT, [NEXT])]
    other_way = [(SECRET, [NEXT, SECRET]), (f" {NEXT} , {SECRET} ", [NEXT]), (NEXT, [NEXT])]
    for known, signing in steps + other_way:
        version += 1
        body = a_push(a_row(version=version))
        assert applied(make(table.url, known)(Request(body, [signed(body, *signing)])))
    body = a_push(a_row(version=version + 1))
    assert make(table.url, NEXT)(Request(body, [signed(body, SECRET)])).status == 400


@pytest.mark.parametrize("secrets", ["", " ", ",", f"{SECRET},", "whsec_", f"{SECRET}, ,x"])
def test_no_weak_secret_makes_a_receiver_s3(make: Make, table: SqliteMirror, secrets: str) -> None:
    with pytest.raises(ValueError, match=r"secret") as error:
        make(table.url, secrets)
    assert SECRET not in str(error.value)


def test_the_tolerance_is_the_receivers_to_choose(make: Make, table: SqliteMirror) -> None:
    body, then = a_push(a_row()), int(time.time()) - 100
    assert make(table.url, tolerance_seconds=60)(Request(body, [signed(body, at=then)])).status == 400
    assert applied(make(table.url, tolerance_seconds=160)(Request(body, [signed(body, at=then)])))


def test_whatever_is_wrong_with_a_signature_is_answered_with_the_same_bytes_s4(ask: Ask, table: SqliteMirror) -> None:
    body = a_push(a_row())
    good, now = signed(body), int(time.time())
    bad = [
        [], [""], ["v1="], ["t="], ["nonsense"], [good, good], [signed(body, "another secret")], [signed(b"other")],
        [signed(body, at=now - 400)], [signed(body, at=now + 400)], [good.replace("t=", "t=0")], [good.upper()],
        [good.replace("v1", "v0")], ["é"], [good + "\0"], [good + "," * 5000], [",".join([good] * 2)], [good[:-1]],
        [f"t={now}," + ",".join(["v1=" + "0" * 64] * 9)], [f"t={now},v1=" + "0" * 64],
    ]  # fmt: skip
    answers = [ask(Request(body, signatures)) for signatures in bad]
    assert {(answer.status, answer.body, tuple(answer.headers)) for answer in answers} == {
        (answers[0].status, answers[0].body, tuple(answers[0].headers))
    }
    assert (answers[0].status, answers[0].code) == (400, "signature_invalid")
    assert table.execute("select * from billing_subscription_mirror") == []
    assert applied(ask(Request(body, [good])))


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE", "OPTIONS", "post"])
def test_other_methods_are_refused_and_change_nothing(method: str, ask: Ask, table: SqliteMirror) -> None:
    answer = ask(Request(a_push(a_row()), method=method))
    assert (answer.status, dict(answer.headers)["allow"], answer.body) == (405, "POST", b"")
    assert table.execute("select * from billing_subscription_mirror") == []


def test_a_body_of_a_mebibyte_is_read_and_one_byte_more_is_not(ask: Ask) -> None:
    body = a_push(a_row()) + b" " * (1 << 20)
    assert applied(ask(Request(body[: 1 << 20])))
    answer = ask(Request(body[: (1 << 20) + 1]))
    assert (answer.status, answer.code) == (413, "body_too_large")


def test_a_body_may_come_in_pieces(ask: Ask) -> None:
    body = a_push(a_row())
    assert applied(ask(Request(body, pieces=[body[:1], b"", *(bytes([byte]) for byte in body[1:])])))


def test_a_compressed_body_is_not_looked_into(ask: Ask) -> None:
    import gzip

    body = gzip.compress(a_push(a_row()))
    answer = ask(Request(body, headers={"content-encoding": "gzip"}))
    assert (answer.status, answer.code) == (422, "mirror_rows_refused")


def test_a_table_that_is_missing_is_said_and_the_push_is_taken_when_it_is_there(ask: Ask, table: SqliteMirror) -> None:
    table.execute("alter table billing_subscription_mirror rename to hidden")
    answer = ask(Request(a_push(a_row())))
    assert (answer.status, answer.code) == (503, "mirror_table_missing")
    assert dict(answer.headers)["retry-after"] == "5"
    table.execute("alter table hidden rename to billing_subscription_mirror")
    assert applied(ask(Request(a_push(a_row()))))
    assert allowed(table.url)


def test_a_database_that_is_not_there_is_503(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ask = make(f"postgresql://app:s3cret@127.0.0.1:{port}/app")
    answer = ask(Request(a_push(a_row())))
    assert (answer.status, answer.code) == (503, "mirror_unavailable")
    assert b"s3cret" not in answer.body
    # Nobody who can't sign gets as far as the database.
    assert ask(Request(a_push(a_row()), [])).status == 400


def test_a_database_that_hangs_is_503_before_queue_stops_waiting(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ask = make(f"postgresql://app@127.0.0.1:{silent.getsockname()[1]}/app")
        began = time.monotonic()
        answer = ask(Request(a_push(a_row())))
        assert (answer.status, answer.code) == (503, "mirror_unavailable")
        # Three seconds, on whatever machine.
        assert time.monotonic() - began < 10


def test_a_table_that_is_locked_is_503_and_the_next_push_is_taken(make: Make, postgres_url: str) -> None:
    import psycopg

    ask = make(postgres_url)
    assert applied(ask(Request(a_push(a_row(status="canceled")))))
    with psycopg.connect(postgres_url) as connection:
        connection.execute("lock table billing_subscription_mirror in access exclusive mode")
        answer = ask(Request(a_push(a_row(version=2))))
        assert (answer.status, answer.code) == (503, "mirror_unavailable")
    assert applied(ask(Request(a_push(a_row(version=3)))))
    assert allowed(postgres_url)


def test_a_role_that_may_not_write_is_503_and_not_silence(make: Make, postgres_url: str) -> None:
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "alter database " + postgres_url.rpartition("/")[2] + " set default_transaction_read_only = on"
        )
    answer = make(postgres_url)(Request(a_push(a_row())))
    assert (answer.status, answer.code) == (503, "mirror_unavailable")
