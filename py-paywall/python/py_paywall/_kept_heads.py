"""Heads of the audit chain that were kept in another trust domain."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

#: The MAC that the first row follows.
GENESIS_MAC = "0" * 64

_MAC = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SEQ = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_KEY_CHECK = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, order=True)
class Head:
    """Where the chain ended at some time."""

    #: ``seq`` of the row that was the last; 0: the chain was empty.
    seq: int
    #: Its MAC, 64 hexadecimal digits in lower case.
    mac: str
    #: Tells the chain's key from another; ``None`` where it was not kept.
    key_check: str | None = None

    @classmethod
    def parse(cls, text: str) -> Head:
        """Takes ``SEQ:MAC``, or the JSON object that ``queue-server audit head`` prints.

        ``ValueError``, without the text, for anything else.
        """
        text = text.strip()
        fields = _json_fields(text) if text.startswith("{") else text.split(":")
        head = _head(*fields) if len(fields) in (2, 3) else None
        if head is None:
            raise ValueError("a head is SEQ:MAC, or what `queue-server audit head` prints")
        return head

    def __str__(self) -> str:
        return f"{self.seq}:{self.mac}"


def _json_fields(text: str) -> list[Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if type(fields.get("seq")) is not int:
        return []
    return [str(fields["seq"]), fields.get("mac"), fields.get("key_check")]


def _head(seq: str, mac: Any, key_check: Any = None) -> Head | None:
    if not (_SEQ.fullmatch(seq) and isinstance(mac, str) and _MAC.fullmatch(mac)):
        return None
    if not (key_check is None or (isinstance(key_check, str) and _KEY_CHECK.fullmatch(key_check))):
        return None
    return Head(int(seq), mac, key_check)


class KeptHeads:
    """Many heads, by place."""

    __slots__ = ("_at", "_last")

    def __init__(self, heads: Iterable[Head]) -> None:
        self._at: dict[int, list[Head]] = {}
        for head in heads:
            kept = self._at.setdefault(head.seq, [])
            # Kept on an interval, an idle chain's head comes again and again.
            if head not in kept:
                kept.append(head)
        self._last = max(self._at, default=-1)

    def at(self, seq: int) -> Sequence[Head]:
        """The heads that name this row."""
        return self._at.get(seq, ())

    def first_after(self, seq: int) -> Head | None:
        """The nearest head behind a place that the chain does not reach."""
        if self._last <= seq:
            return None
        return self._at[min(place for place in self._at if place > seq)][0]
