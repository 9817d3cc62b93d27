"""Makes audit chains, from the format in docs/AUDIT.md: an encoder that shares nothing with the verifier."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from py_paywall.audit import Head, verify

KEY = "00112233445566778899aabbccddeeff" * 2
OTHER_KEY = "f" * 63 + "0"


def key_id(key: str = KEY) -> str:
    return hashlib.sha256(b"billing.audit.key-id.v1" + bytes.fromhex(key)).digest()[:8].hex()


def key_check(key: str = KEY) -> str:
    return hmac.new(bytes.fromhex(key), b"billing.audit.key-check.v1", hashlib.sha256).digest()[:16].hex()


def seal(preimage: bytes, key: str = KEY) -> str:
    return hmac.new(bytes.fromhex(key), preimage, hashlib.sha256).hexdigest()


@dataclass
class Draft:
    """What a row says; every field can be set to something else before it is sealed."""

    seq: int
    previous_mac: bytes
    microseconds: int = 1_800_000_000_123_456
    actor: bytes = b"stripe"
    action: bytes = b"subscription.changed"
    subject: bytes = "sub_ä".encode()
    event_id: bytes = b"evt_1"
    details: bytes = b'{"status":["trialing","active"]}'
    key: str = KEY
    key_id: str | None = None
    domain: bytes = b"billing.audit.row.v1\0"
    tail: bytes = b""

    def preimage(self) -> bytes:
        fields = [
            self.actor,
            self.action,
            self.subject,
            self.event_id,
            self.details,
            (self.key_id or key_id(self.key)).encode(),
            self.previous_mac,
        ]
        numbers = self.seq.to_bytes(8, "big") + self.microseconds.to_bytes(8, "big", signed=True)
        return self.domain + numbers + b"".join(len(f).to_bytes(4, "big") + f for f in fields) + self.tail

    def row(self) -> dict[str, Any]:
        preimage = self.preimage()
        at = datetime(1970, 1, 1) + timedelta(microseconds=self.microseconds)
        return {
            "seq": self.seq,
            "recorded_at": at.isoformat(" ", "microseconds"),
            "actor": self.actor.decode("utf-8", "replace"),
            "action": self.action.decode(),
            "subject": self.subject.decode(),
            "event_id": self.event_id.decode() or None,
            "details": self.details.decode(),
            "preimage": preimage.hex(),
            "mac": seal(preimage, self.key),
            "key_id": self.key_id or key_id(self.key),
        }


@dataclass
class Chain:
    """Rows as the export has them."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, length: int, **changes: Any) -> Chain:
        chain = cls()
        for _ in range(length):
            chain.append(**changes)
        return chain

    def append(self, **changes: Any) -> dict[str, Any]:
        """Appends a row that is sealed, whatever it says."""
        previous = bytes.fromhex(self.rows[-1]["mac"]) if self.rows else bytes(32)
        defaults = {"seq": len(self.rows) + 1, "previous_mac": previous, "event_id": f"evt_{len(self.rows)}".encode()}
        row = Draft(**{**defaults, **changes}).row()
        self.rows.append(row)
        return row

    def lines(self) -> list[bytes]:
        return [encode(row) for row in self.rows]

    def head(self, seq: int | None = None) -> dict[str, Any]:
        """What `queue-server audit head` printed when the chain was so long."""
        row = self.rows[(seq or len(self.rows)) - 1]
        return {"seq": row["seq"], "mac": row["mac"], "key_check": key_check()}


def encode(row: dict[str, Any]) -> bytes:
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def found(lines: list[bytes], *heads: Head) -> tuple[int, str] | None:
    """What the verifier finds first: the place and the kind."""
    finding = verify(lines, KEY, heads).finding
    return (finding.seq, finding.kind) if finding else None


def head(chain: Chain, seq: int | None = None) -> Head:
    """The head that was kept when the chain was so long."""
    return Head.parse(json.dumps(chain.head(seq)))
