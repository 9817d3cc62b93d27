"""A second, independent verifier of Queue's audit chain (``py-paywall verify-audit``).

It is written from the format in ``docs/AUDIT.md`` of the repository and shares no code with the server:
a mistake in one of the two shows in the other. It takes what ``queue-server audit export`` prints, row by
row in constant memory, and names the first bad place and the kind.

A chain alone can't tell that its tail was cut, or that it was rolled back and grew anew. Keep the output of
``queue-server audit head`` in another trust domain, and give those heads here::

    >>> from py_paywall.audit import Head, verify
    >>> report = verify([], "00112233445566778899aabbccddeeff" * 2, heads=[Head(1, "ab" * 32)])
    >>> report.finding.seq, report.finding.kind
    (1, 'head_differs')
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from py_paywall import _preimage
from py_paywall._kept_heads import GENESIS_MAC, Head, KeptHeads
from py_paywall._row import MalformedRow, Row, read_row

__all__ = ["AuditKey", "Finding", "Head", "Kind", "Report", "verify"]

#: What can be wrong, in the order in which it is looked at. ``malformed`` is a line that is no row.
Kind = Literal["malformed", "gap", "other_key", "altered", "unlinked", "columns_differ", "head_differs"]

#: How often ``progress`` is called, in rows.
PROGRESS_ROWS = 100_000

_KEY_BYTES = 32
_KEY_ID_DOMAIN = b"billing.audit.key-id.v1"
_KEY_CHECK_DOMAIN = b"billing.audit.key-check.v1"


class AuditKey:
    """The key that seals the chain: ``BILLING_AUDIT_KEY``. Prints its id, never itself."""

    __slots__ = ("_key", "check_value", "id")

    def __init__(self, text: str) -> None:
        """Takes 64 hexadecimal digits. ``ValueError``, without the text, for anything else."""
        digits = text.strip()
        try:
            # Counted first: `fromhex` skips white space between the digits.
            key = bytes.fromhex(digits) if len(digits) == 2 * _KEY_BYTES else b""
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES or len(set(key)) == 1:
            # From None: the text of the error before would show a part of the key.
            raise ValueError("an audit key is 64 hexadecimal digits (32 random bytes)") from None
        self._key = key
        #: The first 8 bytes of a digest of the key, in hexadecimal: what rows call it.
        self.id = hashlib.sha256(_KEY_ID_DOMAIN + key).hexdigest()[:16]
        #: What the head of a chain holds to tell this key from another.
        self.check_value = self.mac_of(_KEY_CHECK_DOMAIN)[:32]

    def mac_of(self, message: bytes) -> str:
        """HMAC-SHA256 of the bytes, in hexadecimal."""
        return hmac.digest(self._key, message, "sha256").hex()

    def __repr__(self) -> str:
        return f"AuditKey({self.id})"


@dataclass(frozen=True)
class Finding:
    """The first thing that does not hold. The rows after it prove nothing."""

    #: One after the last row that holds; for a head, one after the earlier of its seq and the last row's.
    seq: int
    kind: Kind
    #: The kept head that says so, where it was one.
    head: Head | None = None

    def __str__(self) -> str:
        because = f" (kept head {self.head.seq})" if self.head else ""
        return f"the audit chain is broken at seq {self.seq}: {self.kind}{because}"


@dataclass(frozen=True)
class Report:
    """What was found."""

    #: How many rows hold, from the first one on.
    rows: int
    #: Where they end: keep it in another trust domain.
    head: Head
    #: ``None``: the chain is whole, as far as it goes and as the kept heads tell.
    finding: Finding | None

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return self.finding is None


def verify(
    lines: Iterable[bytes | str],
    key: AuditKey | str,
    heads: Iterable[Head] = (),
    *,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Verifies a chain from its first row on, holding one row at a time.

    ``lines`` are those of ``queue-server audit export``, ``heads`` what was kept of ``queue-server audit
    head`` (in memory, all of them). ``progress`` is called with the number of rows every 100,000.

    Whatever is in a line, the answer is a report; ``ValueError`` only for a ``key`` that is none.
    """
    chain = _Chain(key if isinstance(key, AuditKey) else AuditKey(key), KeptHeads(heads))
    finding = chain.kept_here()
    for line in lines if finding is None else ():
        finding = chain.take(line) or chain.kept_here()
        if finding:
            break
        if progress and chain.seq % PROGRESS_ROWS == 0:
            progress(chain.seq)
    finding = finding or chain.end()
    return Report(chain.seq, Head(chain.seq, chain.mac, chain.key_check), finding)


class _Chain:
    """The rows taken so far: only where they end."""

    __slots__ = ("_heads", "_key", "mac", "seq")

    def __init__(self, key: AuditKey, heads: KeptHeads) -> None:
        self._key = key
        self._heads = heads
        self.seq = 0
        self.mac = GENESIS_MAC

    @property
    def key_check(self) -> str | None:
        return self._key.check_value if self.seq else None

    def take(self, line: bytes | str) -> Finding | None:
        """Takes the next row, or says what is wrong with it."""
        row = read_row(line)
        if isinstance(row, MalformedRow):
            return Finding(self.seq + 1, "malformed")
        if kind := self._fault(row):
            return Finding(self.seq + 1, kind)
        self.seq, self.mac = row.seq, row.mac
        return None

    def end(self) -> Finding | None:
        """Whether the rows go as far as every kept head."""
        beyond = self._heads.first_after(self.seq)
        return Finding(self.seq + 1, "head_differs", beyond) if beyond else None

    def kept_here(self) -> Finding | None:
        """Whether the heads that were kept of this place say the same."""
        for head in self._heads.at(self.seq):
            if head.mac != self.mac:
                return Finding(self.seq + 1, "head_differs", head)
            if head.key_check not in (None, self.key_check):
                return Finding(self.seq + 1, "other_key", head)
        return None

    def _fault(self, row: Row) -> Kind | None:
        if row.seq != self.seq + 1:
            return "gap"
        if row.key_id != self._key.id:
            return "other_key"
        # Nobody can try MACs against a file of their own, so a plain comparison will do.
        if row.mac != self._key.mac_of(row.preimage):
            return "altered"
        entry = _preimage.decode(row.preimage)
        if entry is None:
            return "altered"
        if entry.previous_mac != self.mac:
            return "unlinked"
        return None if entry[:-1] == row.columns else "columns_differ"
