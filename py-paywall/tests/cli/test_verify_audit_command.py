"""`py-paywall verify-audit`: its exit codes, what it says, and that it never says the key."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from audit.chain import KEY, OTHER_KEY, Chain
from py_paywall import cli

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_AUDIT_KEY", KEY)


@pytest.fixture
def chain() -> Chain:
    return Chain.of(5)


@pytest.fixture
def file(chain: Chain, tmp_path: Path) -> Path:
    path = tmp_path / "export.jsonl"
    path.write_bytes(b"".join(chain.lines()))
    return path


def ask(*arguments: object) -> int:
    return cli.main(["verify-audit", *map(str, arguments)])


def test_a_whole_chain_is_0_and_its_head_is_told_in_the_form_that_is_taken_back(
    file: Path, chain: Chain, capsys: Output
) -> None:
    assert ask(file) == 0
    said = capsys.readouterr()
    head = f"5:{chain.rows[-1]['mac']}"
    assert said.out == f"the audit chain is whole: 5 rows, head {head}\n"
    assert "no --head was given" in said.err
    assert ask(file, "--head", head) == 0
    assert capsys.readouterr().err == ""


def test_a_finding_is_1_and_names_its_place_and_kind(file: Path, chain: Chain, capsys: Output) -> None:
    chain.rows[2]["actor"] = "clock"
    file.write_bytes(b"".join(chain.lines()))
    assert ask(file) == 1
    assert capsys.readouterr().out == "the audit chain is broken at seq 3: columns_differ\n"


def test_heads_come_from_arguments_and_from_files_in_both_forms(
    file: Path, chain: Chain, tmp_path: Path, capsys: Output
) -> None:
    chain.append()
    kept = tmp_path / "heads.jsonl"
    kept.write_text(f"{json.dumps(chain.head(2))}\n\n4:{chain.rows[3]['mac']}\n")
    assert ask(file, "--head-file", kept, "--head", f"1:{chain.rows[0]['mac']}") == 0
    kept.write_text(f"{json.dumps(chain.head(2))}\n{json.dumps(chain.head(6))}\n")
    capsys.readouterr()
    assert ask(file, "--head-file", kept) == 1
    assert capsys.readouterr().out == "the audit chain is broken at seq 6: head_differs (kept head 6)\n"


def test_standard_input_is_read_when_no_file_is_named(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    for arguments in ([], ["-"]):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"".join(chain.lines()))))
        assert ask(*arguments) == 0
    assert capsys.readouterr().out.count("whole: 5 rows") == 2


def test_no_rows_are_no_chain_unless_a_head_says_so(file: Path, capsys: Output) -> None:
    file.write_bytes(b"")
    assert ask(file) == 2
    assert "no row in the input" in capsys.readouterr().err
    assert ask(file, "--head", f"0:{'0' * 64}") == 0


def test_a_file_without_an_end_of_line_is_not_read_whole(file: Path, capsys: Output) -> None:
    file.write_bytes(b"x" * (20 * 1024 * 1024))
    assert ask(file) == 1
    assert capsys.readouterr().out == "the audit chain is broken at seq 1: malformed\n"


@pytest.mark.parametrize("key", [None, "", " ", "secret-key-of-somebody", OTHER_KEY[:-1]])
def test_a_key_that_is_none_is_2_and_not_shown(
    key: str | None, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    if key is None:
        monkeypatch.delenv("BILLING_AUDIT_KEY")
    else:
        monkeypatch.setenv("BILLING_AUDIT_KEY", key)
    assert ask(file) == 2
    said = "".join(capsys.readouterr())
    assert "BILLING_AUDIT_KEY" in said
    assert not (key and key.strip() and key in said)


def test_what_can_not_be_read_is_2(file: Path, tmp_path: Path, capsys: Output) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    heads = tmp_path / "heads"
    heads.write_text("\n5\n")
    for arguments, said in (
        ([tmp_path / "nothing"], "can't be read"),
        ([tmp_path], "can't be read"),
        ([file, "--head", "5"], "--head: a head is SEQ:MAC"),
        ([file, "--head-file", tmp_path / "nothing"], "can't be read"),
        ([file, "--head-file", heads], "heads line 2: a head is SEQ:MAC"),
        ([file, "--head-file", binary], "is not UTF-8"),
    ):
        assert ask(*arguments) == 2
        assert said in capsys.readouterr().err
