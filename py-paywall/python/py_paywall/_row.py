"""One line of the audit export: a JSON object of exactly ten columns."""

from __future__ import annotations

import json
from binascii import unhexlify
from typing import Any, NamedTuple, NoReturn

#: The longest line that is read. A delivery has at most 1 MiB; its row is not near this.
MAX_LINE_BYTES = 16 * 1024 * 1024

_TEXTS = ("recorded_at", "actor", "action", "subject", "details", "preimage", "mac", "key_id")
_COLUMNS = frozenset((*_TEXTS, "seq", "event_id"))


class Row(NamedTuple):
    """A row as the export says it is."""

    seq: int
    #: All readable columns, in the order of the pre-image.
    columns: tuple[int, str, str, str, str, str | None, str, str]
    preimage: bytes
    mac: str
    key_id: str


class MalformedRow:
    """A line that is no row."""


def read_row(line: bytes | str) -> Row | MalformedRow:
    """Reads a line. Never raises, whatever is in it."""
    if len(line) > MAX_LINE_BYTES:
        return MalformedRow()
    try:
        # Decoded here: left to itself, `loads` would guess UTF-16 and UTF-32 as well.
        text = str(line, "utf-8") if isinstance(line, bytes) else line
        return _row(_DECODER.decode(text)) or MalformedRow()
    # Not UTF-8, no JSON, no hexadecimal: all ValueError. Nested too deeply: RecursionError.
    except (ValueError, RecursionError):
        return MalformedRow()


def _row(fields: Any) -> Row | None:
    if not isinstance(fields, dict) or fields.keys() != _COLUMNS:
        return None
    seq, event_id = fields["seq"], fields["event_id"]
    # `True` is an int to Python, but no number in JSON.
    if type(seq) is not int or not (event_id is None or isinstance(event_id, str)):
        return None
    texts = [fields[name] for name in _TEXTS]
    if not all(isinstance(text, str) for text in texts):
        return None
    recorded_at, actor, action, subject, details, preimage, mac, key_id = texts
    raw = unhexlify(preimage)
    # One text for the same bytes: upper case is not what the server writes.
    if raw.hex() != preimage:
        return None
    return Row(seq, (seq, recorded_at, actor, action, subject, event_id, details, key_id), raw, mac, key_id)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    # Readers differ in which of two they take: a row must say the same to all of them.
    if len(fields) != len(pairs):
        raise ValueError("a name comes twice")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
