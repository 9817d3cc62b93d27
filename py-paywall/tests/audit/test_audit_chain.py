"""The verifier against chains of our own making, whole and tampered with (C3, C5, G6)."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from audit.chain import KEY, OTHER_KEY, Chain, encode, found, head, key_id, seal
from py_paywall.audit import Finding, Head, verify


def test_a_whole_chain_is_whole_and_its_head_is_told() -> None:
    chain = Chain.of(5)
    report = verify(chain.lines(), KEY, [head(chain)])
    assert report.ok
    assert report.rows == 5
    assert report.head == head(chain)


def test_an_empty_chain_is_whole() -> None:
    report = verify([], KEY, [Head(0, "0" * 64)])
    assert (report.ok, report.rows, report.head) == (True, 0, Head(0, "0" * 64))


def test_lines_may_be_text_and_end_in_any_way() -> None:
    lines = [line.decode().rstrip("\n") for line in Chain.of(3).lines()]
    assert verify(lines, KEY).ok
    assert verify([line + "\r\n" for line in lines], KEY).ok


def test_the_ends_of_what_a_row_can_say_are_read() -> None:
    chain = Chain.of(1, event_id=b"", microseconds=-62_135_596_800_000_000, details=b"")
    chain.append(microseconds=253_402_300_799_999_999, subject="\u0000\U0001f4b8".encode(), details=b"{}" * 500_000)
    chain.append(actor=b"", action=b"", subject=b"")
    assert verify(chain.lines(), KEY).ok


COLUMNS: list[tuple[dict[str, Any], str]] = [
    ({"recorded_at": "2027-01-15 08:00:00.123457"}, "columns_differ"),
    ({"recorded_at": "yesterday"}, "columns_differ"),
    ({"actor": "internal"}, "columns_differ"),
    ({"action": "subscription.changed "}, "columns_differ"),
    ({"subject": "sub_2"}, "columns_differ"),
    # The same to the eye: a with two dots, composed and not.
    ({"subject": "sub_a\u0308"}, "columns_differ"),
    ({"event_id": "evt_9"}, "columns_differ"),
    ({"event_id": ""}, "columns_differ"),
    ({"event_id": None}, "columns_differ"),
    ({"details": "{}"}, "columns_differ"),
    ({"details": '{"status": ["trialing","active"]}'}, "columns_differ"),
    ({"details": "\ud800"}, "columns_differ"),
    ({"key_id": "0123456789abcdef"}, "other_key"),
    ({"key_id": key_id().upper()}, "other_key"),
    ({"key_id": key_id(OTHER_KEY)}, "other_key"),
    ({"mac": "0" * 64}, "altered"),
    ({"mac": ""}, "altered"),
    ({"mac": "ä" * 64}, "altered"),
    ({"preimage": ""}, "altered"),
    ({"seq": 4}, "gap"),
    ({"seq": 2}, "gap"),
    ({"seq": -3}, "gap"),
    ({"seq": 10**30}, "gap"),
    # Several at once: the first of the table is named.
    ({"seq": 9, "key_id": "x", "mac": "", "actor": ""}, "gap"),
    ({"key_id": "x", "mac": "", "actor": ""}, "other_key"),
    ({"mac": "", "actor": ""}, "altered"),
    # No row.
    ({"seq": "3"}, "malformed"),
    ({"seq": 3.0}, "malformed"),
    ({"seq": True}, "malformed"),
    ({"seq": None}, "malformed"),
    ({"details": {"status": ["trialing", "active"]}}, "malformed"),
    ({"subject": None}, "malformed"),
    ({"event_id": 1}, "malformed"),
    ({"preimage": "0"}, "malformed"),
    ({"preimage": "zz"}, "malformed"),
    ({"preimage": "00 11"}, "malformed"),
    ({"preimage": "AB"}, "malformed"),
    ({"note": "said by nobody"}, "malformed"),
]


@pytest.mark.parametrize(("change", "kind"), COLUMNS)
def test_a_column_that_was_changed_is_found_in_its_place_and_named(change: dict[str, Any], kind: str) -> None:
    chain = Chain.of(5)
    chain.rows[2].update(change)
    lines = [json.dumps(row).encode() for row in chain.rows]
    assert found(lines) == (3, kind)


def test_an_upper_case_mac_or_preimage_is_not_the_same_text() -> None:
    for column, kind in (("mac", "altered"), ("preimage", "malformed")):
        chain = Chain.of(3)
        chain.rows[1][column] = chain.rows[1][column].upper()
        assert found(chain.lines()) == (2, kind)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        # Sealed with the right key by somebody who has it, and yet no row of this chain.
        ({"previous_mac": bytes(32)}, "unlinked"),
        ({"previous_mac": bytes(31)}, "altered"),
        ({"previous_mac": bytes(33)}, "altered"),
        ({"tail": b"\0"}, "altered"),
        ({"tail": b"\0\0\0\0"}, "altered"),
        ({"domain": b"billing.audit.row.v2\0"}, "altered"),
        ({"domain": b"billing.audit.row.v1"}, "altered"),
        ({"actor": b"\xff"}, "altered"),
        ({"key": OTHER_KEY}, "other_key"),
        ({"key": OTHER_KEY, "key_id": key_id()}, "altered"),
        ({"seq": 9}, "gap"),
    ],
)
def test_a_row_that_was_sealed_and_does_not_belong_is_named(change: dict[str, Any], kind: str) -> None:
    chain = Chain.of(2)
    chain.append(**change)
    assert found(chain.lines()) == (3, kind)


@pytest.mark.parametrize("microseconds", [-62_135_596_800_000_001, 253_402_300_800_000_000, 2**63 - 1, -(2**63)])
def test_an_instant_that_has_no_text_is_no_preimage(microseconds: int) -> None:
    chain = Chain.of(2)
    row = chain.append()
    preimage = bytes.fromhex(row["preimage"])
    changed = preimage[:29] + microseconds.to_bytes(8, "big", signed=True) + preimage[37:]
    row.update(preimage=changed.hex(), mac=seal(changed))
    assert found(chain.lines()) == (3, "altered")


def test_a_sealed_column_that_the_preimage_does_not_say_is_found_for_seq_too() -> None:
    chain = Chain.of(2)
    chain.append(seq=7)["seq"] = 3
    assert found(chain.lines()) == (3, "columns_differ")


def _dropped(lines: list[bytes]) -> list[bytes]:
    return lines[:2] + lines[3:]


def _doubled(lines: list[bytes]) -> list[bytes]:
    return lines[:2] + lines[1:]


def _swapped(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[3], lines[2], *lines[4:]]


def _started_late(lines: list[bytes]) -> list[bytes]:
    return lines[1:]


def _blank_between(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], b"\n", *lines[2:]]


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (_dropped, (3, "gap")),
        (_doubled, (3, "gap")),
        (_swapped, (3, "gap")),
        (_started_late, (1, "gap")),
        (_blank_between, (3, "malformed")),
    ],
)
def test_rows_that_go_come_or_move_are_found(
    change: Callable[[list[bytes]], list[bytes]], finding: tuple[int, str]
) -> None:
    assert found(change(Chain.of(5).lines())) == finding


def test_a_row_of_another_chain_with_the_same_key_is_unlinked() -> None:
    lines, others = Chain.of(5).lines(), Chain.of(5, actor=b"clock").lines()
    assert found(lines[:2] + others[2:]) == (3, "unlinked")


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"null",
        b"[]",
        b"{}",
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"NaN",
        b"[" * 100_000,
        b'{"seq":' + b"9" * 5000 + b"}",
        b" " * (16 * 1024 * 1024 + 1),
        "{}".encode("utf-16"),
    ],
    ids=lambda line: repr(line[:12]),
)
def test_a_line_that_is_no_row_is_a_finding_and_no_traceback(line: bytes) -> None:
    lines = Chain.of(5).lines()
    assert found([*lines[:2], line, *lines[3:]]) == (3, "malformed")


def test_a_name_that_comes_twice_is_malformed_whatever_it_says() -> None:
    lines = Chain.of(3).lines()
    lines[1] = lines[1].replace(b'"actor":', b'"actor":"stripe","actor":')
    assert found(lines) == (2, "malformed")


def test_any_byte_of_a_row_that_is_changed_taken_out_or_put_in_is_found_there() -> None:
    lines = Chain.of(3).lines()
    whole = lines[1]
    same = 0
    for at in range(len(whole) - 1):
        for part in (bytes([whole[at] ^ 1]), bytes([whole[at] ^ 0x20]), b"", b"0" + whole[at : at + 1], b" "):
            lines[1] = whole[:at] + part + whole[at + 1 :]
            if lines[1] == whole:
                continue
            finding = verify(lines, KEY).finding
            assert finding is not None, (at, part)
            assert finding.seq == 2, lines[1]
        # White space between JSON's parts is the only thing that may come: the row says the same.
        lines[1] = whole[:at] + b" " + whole[at:]
        same += verify(lines, KEY).ok
    assert same == 1 + 10 * 4


@pytest.mark.parametrize("seed", range(20))
def test_a_chain_with_a_fault_anywhere_is_found_at_the_first(seed: int) -> None:
    chance = random.Random(seed)
    chain = Chain()
    for _ in range(chance.randint(2, 40)):
        chain.append(
            details=chance.randbytes(chance.randint(0, 60)).hex().encode(), microseconds=chance.getrandbits(55)
        )
    first, later = sorted(chance.sample(range(len(chain.rows)), 2))
    for at in (first, later):
        column = chance.choice(["details", "subject", "actor", "recorded_at", "mac", "key_id"])
        chain.rows[at][column] += "0"
    finding = verify(chain.lines(), KEY).finding
    assert finding is not None
    assert finding.seq == first + 1


def test_another_key_is_named_at_the_first_row() -> None:
    finding = verify(Chain.of(3).lines(), OTHER_KEY).finding
    assert finding == Finding(1, "other_key")


def test_progress_is_told_every_hundred_thousand_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("py_paywall.audit.PROGRESS_ROWS", 2)
    told: list[int] = []
    verify(Chain.of(5).lines(), KEY, progress=told.append)
    assert told == [2, 4]


def test_the_encoder_of_these_tests_writes_what_the_page_says() -> None:
    row = Chain.of(1, event_id=b"").rows[0]
    assert (
        row["preimage"]
        == (
            b"billing.audit.row.v1\0"
            + (1).to_bytes(8, "big")
            + (1_800_000_000_123_456).to_bytes(8, "big")
            + b"\0\0\0\x06stripe\0\0\0\x14subscription.changed\0\0\0\x06sub_\xc3\xa4\0\0\0\0"
            + b'\0\0\0\x20{"status":["trialing","active"]}\0\0\0\x10'
            + key_id().encode()
            + b"\0\0\0\x20"
            + bytes(32)
        ).hex()
    )
    assert json.loads(encode(row)) == row
