"""What was seen of the gate's database, and one finding about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

#: ``ok``: as it should be; ``note``: worth knowing; ``mend``: something is wrong.
Level = Literal["ok", "note", "mend"]


class Column(TypedDict):
    """A column as the database describes it."""

    name: str
    type: str
    nullable: bool


class Rights(TypedDict):
    """What the URL's role may do with the table."""

    select: bool
    insert: bool
    update: bool


class Contents(TypedDict, total=False):
    """The rows in numbers; nothing of it where they can't be read."""

    rows: int | None
    newest_updated_at: str | None
    malformed_rows: int


class Inspection(Contents):
    """What the native module saw; the rest says nothing where ``reachable``, or then ``table``, is false."""

    reachable: bool
    #: Why it is not: a stable code, free of the database's own words.
    error: str | None
    dialect: str
    table: bool
    columns: Sequence[Column]
    constraints: Sequence[str]
    rights: Rights
    database_time: str | None


@dataclass(frozen=True)
class Finding:
    """One line."""

    level: Level
    #: What was looked at: ``database``, ``table``, ``column plan_tier``, ``rights``, ``clock``, ``rows``, ``feed``.
    subject: str
    says: str
    #: What to do; empty where there is nothing to do.
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f" -> {self.remedy}" if self.remedy else ""
        return f"{self.level:<5}{self.subject}: {self.says}{remedy}"
