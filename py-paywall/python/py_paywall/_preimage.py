"""The bytes that a row's MAC is over, as ``docs/AUDIT.md`` of the repository writes them down.

No two different rows have the same bytes: every field of free length says its length first.
"""

from __future__ import annotations

import struct
from datetime import datetime, timedelta
from typing import NamedTuple

_DOMAIN = b"billing.audit.row.v1\x00"
_NUMBERS = struct.Struct(">Qq")  # seq, microseconds since 1970
_LENGTH = struct.Struct(">I")
_MAC_BYTES = 32
# Without a zone: the text that is made of it has none, and is UTC by its format.
_EPOCH = datetime(1970, 1, 1)


class Entry(NamedTuple):
    """What a pre-image says."""

    seq: int
    recorded_at: str
    actor: str
    action: str
    subject: str
    event_id: str | None
    details: str
    key_id: str
    previous_mac: str


def decode(preimage: bytes) -> Entry | None:
    """Reads a pre-image; ``None`` for bytes that are none, such as one with a byte too many."""
    if not preimage.startswith(_DOMAIN):
        return None
    try:
        seq, microseconds = _NUMBERS.unpack_from(preimage, len(_DOMAIN))
        fields = _fields(preimage, len(_DOMAIN) + _NUMBERS.size)
        *texts, previous_mac = fields
        actor, action, subject, event_id, details, key_id = (str(text, "utf-8") for text in texts)
        recorded_at = (_EPOCH + timedelta(microseconds=microseconds)).isoformat(" ", "microseconds")
    # Too short; not seven fields, or not UTF-8 (both ValueError); a year that has no four digits.
    except (struct.error, ValueError, OverflowError):
        return None
    if len(previous_mac) != _MAC_BYTES:
        return None
    return Entry(seq, recorded_at, actor, action, subject, event_id or None, details, key_id, previous_mac.hex())


def _fields(preimage: bytes, at: int) -> list[bytes]:
    """All fields up to the end. Raises ``struct.error`` or ``ValueError`` where they don't end there."""
    fields = []
    end = len(preimage)
    while at < end:
        (length,) = _LENGTH.unpack_from(preimage, at)
        at += _LENGTH.size
        if length > end - at:
            raise ValueError("a field goes on behind the end")
        fields.append(preimage[at : at + length])
        at += length
    return fields
