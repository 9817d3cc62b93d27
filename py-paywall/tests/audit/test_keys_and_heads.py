"""Keys, and heads that were kept elsewhere: what they show, how they are written, what is none (C5)."""

from __future__ import annotations

import json

import pytest

from audit.chain import KEY, Chain, found, head, key_id
from py_paywall.audit import AuditKey, Finding, Head, verify


def test_only_kept_heads_show_a_tail_that_was_cut() -> None:
    chain = Chain.of(5)
    assert found(chain.lines()[:3]) is None
    assert found(chain.lines()[:3], head(chain, 2), head(chain, 3)) is None
    assert found(chain.lines()[:3], head(chain, 5), head(chain, 4)) == (4, "head_differs")
    assert found([], head(chain, 2)) == (1, "head_differs")


def test_only_kept_heads_show_a_chain_that_was_rolled_back_and_grew_anew() -> None:
    chain = Chain.of(5)
    kept = head(chain, 4)
    del chain.rows[2:]
    for _ in range(4):
        chain.append(actor=b"clock")
    assert found(chain.lines()) is None
    assert found(chain.lines(), kept) == (5, "head_differs")


def test_a_fault_in_the_rows_before_a_head_comes_first() -> None:
    chain = Chain.of(5)
    kept = Head(4, "0" * 64)
    chain.rows[1]["actor"] = "clock"
    assert found(chain.lines(), kept) == (2, "columns_differ")


def test_a_head_that_names_another_key_is_named_so() -> None:
    chain = Chain.of(3)
    kept = Head(3, chain.rows[2]["mac"], "0" * 32)
    assert found(chain.lines(), kept) == (4, "other_key")
    assert found(chain.lines(), Head(0, "0" * 64, "0" * 32)) == (1, "other_key")
    assert found(chain.lines(), Head(0, "1" * 64)) == (1, "head_differs")


def test_two_kept_heads_that_contradict_each_other_can_not_both_hold() -> None:
    chain = Chain.of(3)
    finding = verify(chain.lines(), KEY, [head(chain, 2), Head(2, "1" * 64)]).finding
    assert finding == Finding(3, "head_differs", Head(2, "1" * 64))


@pytest.mark.parametrize(
    "text", ["", " ", "0" * 64, "ab" * 32, "00" * 16, KEY + "0", KEY[:-1], KEY[:-1] + "g", " ".join(KEY)[:64], "ä" * 64]
)
def test_text_that_is_no_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits") as refused:
        AuditKey(text)
    assert text.strip() not in str(refused.value) or not text.strip()
    assert refused.value.__suppress_context__


def test_a_key_may_be_written_in_upper_case_and_prints_only_its_id() -> None:
    key = AuditKey(f" {KEY.upper()}\n")
    assert verify(Chain.of(2).lines(), key).ok
    assert repr(key) == str(key) == f"AuditKey({key_id()})"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1:",
        ":" + "0" * 64,
        "-1:" + "0" * 64,
        "01:" + "0" * 64,
        "1:" + "A" * 64,
        "1:" + "0" * 63,
        "1:" + "0" * 64 + ":x",
        "\u0661:" + "0" * 64,
        "{}",
        "[]",
        "{" * 5000,
        '{"seq":true,"mac":"' + "0" * 64 + '"}',
        '{"seq":1,"mac":1}',
        '{"seq":1,"mac":"' + "0" * 64 + '","key_check":"x"}',
    ],
)
def test_text_that_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="SEQ:MAC"):
        Head.parse(text)


def test_a_head_is_read_in_both_its_forms() -> None:
    mac = "a" * 64
    assert Head.parse(f"7:{mac}\n") == Head(7, mac)
    assert Head.parse(str(Head(7, mac))) == Head(7, mac)
    assert Head.parse(json.dumps({"seq": 0, "mac": mac, "key_check": None})) == Head(0, mac)
    assert Head.parse(json.dumps({"seq": 7, "mac": mac, "key_check": "b" * 32})) == Head(7, mac, "b" * 32)
