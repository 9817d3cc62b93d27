"""The two verifiers over the same real chain: they find the same, in the same place (C5, G6)."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from audit.chain import KEY
from audit.queue_server import QueueServer
from py_paywall.audit import Finding, Head, Report, verify

_FOLDER = os.environ.get("BILLING_BIN_DIR", "")
_BINARY = Path(_FOLDER, "queue-server")

pytestmark = pytest.mark.skipif(
    not (_FOLDER and _BINARY.is_file()), reason="BILLING_BIN_DIR names no folder with the binary queue-server"
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> QueueServer:
    """A server that has taken a few events, and stopped."""
    server = QueueServer(_BINARY, tmp_path_factory.mktemp("queue"))
    with server.running() as address:
        assert [server.deliver(address, number) for number in range(4)] == ["applied"] * 4
        assert server.deliver(address, 0) == "duplicate"
    return server


@pytest.fixture
def server(written: QueueServer, tmp_path: Path) -> QueueServer:
    """The same chain in a copy of its database."""
    for file in written.database.parent.glob("queue.db*"):
        shutil.copy(file, tmp_path)
    return QueueServer(_BINARY, tmp_path)


def ours(server: QueueServer, *heads: Head) -> Report:
    export = server.audit("export")
    assert export.returncode == 0, export.stderr
    return verify(export.stdout.splitlines(keepends=True), KEY, heads)


def theirs(server: QueueServer) -> tuple[int, str]:
    verdict = server.audit("verify")
    assert verdict.returncode == 1, verdict
    match = re.search(r"broken at seq (\d+): (\w+)", verdict.stderr.decode())
    assert match, verdict.stderr
    return int(match[1]), match[2]


def head(server: QueueServer) -> Head:
    return Head.parse(server.audit("head").stdout.decode())


def test_both_find_a_real_chain_whole_and_name_the_same_head(server: QueueServer) -> None:
    report = ours(server, head(server))
    assert server.audit("verify").returncode == 0
    assert report.ok
    assert report.rows >= 4
    assert report.head == head(server)


_ROW = "update billing_action_log set {} where seq = 3"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (_ROW.format("recorded_at = '2027-01-15 08:00:00.000001'"), "columns_differ"),
        (_ROW.format("actor = 'internal'"), "columns_differ"),
        (_ROW.format("action = 'mirror.changed '"), "columns_differ"),
        (_ROW.format("subject = subject || '0'"), "columns_differ"),
        (_ROW.format("event_id = null"), "columns_differ"),
        (_ROW.format("event_id = ''"), "columns_differ"),
        (_ROW.format("details = details || ' '"), "columns_differ"),
        (_ROW.format("preimage = substr(preimage, 2)"), "altered"),
        (_ROW.format("preimage = x''"), "altered"),
        (_ROW.format("mac = upper(mac)"), "altered"),
        (_ROW.format("mac = (select mac from billing_action_log where seq = 2)"), "altered"),
        (_ROW.format("key_id = '0123456789abcdef'"), "other_key"),
        ("delete from billing_action_log where seq = 3", "gap"),
        ("update billing_action_log set seq = seq + 1000 where seq >= 3", "gap"),
        (
            "insert into billing_action_log select (select max(seq) + 1 from billing_action_log), recorded_at, actor, "
            "action, subject, event_id, details, preimage, mac, key_id from billing_action_log where seq = 3",
            "unlinked",
        ),
        ("delete from billing_action_log where seq > 3", "head_differs"),
        ("update billing_chain set mac = (select mac from billing_action_log where seq = 2)", "head_differs"),
        ("update billing_chain set seq = seq + 1", "head_differs"),
        ("update billing_chain set key_check = '0123456789abcdef0123456789abcdef'", "other_key"),
    ],
)
def test_both_find_the_same_tampering_in_the_same_place(server: QueueServer, change: str, kind: str) -> None:
    server.tamper(change)
    finding = ours(server, head(server)).finding
    assert finding is not None
    assert (finding.seq, finding.kind) == theirs(server)
    assert finding.kind == kind


def test_only_the_kept_head_shows_a_tail_that_was_cut_together_with_the_head(server: QueueServer) -> None:
    kept = head(server)
    server.tamper("delete from billing_action_log where seq > 3")
    server.tamper("update billing_chain set (seq, mac) = (select seq, mac from billing_action_log where seq = 3)")
    assert server.audit("verify").returncode == 0
    assert ours(server).ok
    assert ours(server, kept).finding == Finding(4, "head_differs", kept)
