"""The mirror's table for SQLAlchemy: to query and join, and so that Alembic's autogenerate knows it.

With a declarative base of your own::

    from py_paywall.sqlalchemy import BillingSubscriptionMirrorMixin

    class BillingSubscriptionMirror(BillingSubscriptionMirrorMixin, Base):
        pass

As a plain table, for SQLAlchemy Core or SQLModel: ``mirror_table(Base.metadata)``.

Queue is the only one who writes the table. An application reads it, and decides with a gate rather than by the
columns: a tier alone says nothing about whether it is still paid for.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    Dialect,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.schema import conv
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["BillingSubscriptionMirrorMixin", "Instant", "mirror_table"]

_TABLE = "billing_subscription_mirror"
# UTC text of fixed width. Other text sorts wrongly.
_SQLITE_FORM = (
    "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]"
)


class Instant(TypeDecorator[datetime]):
    """An instant, in Python always with a zone and in UTC.

    On PostgreSQL ``timestamptz``; on SQLite UTC text of fixed width, ``YYYY-MM-DD HH:MM:SS.ffffff``, so that
    text sorts as time does. ``ValueError`` for a ``datetime`` without a zone: nobody can say when that is.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime] | TypeEngine[str]:
        """The column's type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """Into the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a zone: datetime.now(timezone.utc), not datetime.now()")
        value = value.astimezone(timezone.utc)
        return value.replace(tzinfo=None).isoformat(" ", "microseconds") if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | str | None, dialect: Dialect) -> datetime | None:
        """Out of it. ``ValueError`` for text that the table's check should have refused."""
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value).replace(tzinfo=timezone.utc)
        return value.astimezone(timezone.utc)


def mirror_table(metadata: MetaData, *, schema: str | None = None) -> Table:
    """The table in your metadata; the one that is there already, when called again."""
    name = f"{schema}.{_TABLE}" if schema else _TABLE
    if name in metadata.tables:
        return metadata.tables[name]
    return Table(
        _TABLE,
        metadata,
        Column("queue_customer_id", Text, nullable=False),
        Column("plan_tier", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("current_period_end", Instant, nullable=True),
        Column("updated_at", Instant, nullable=False),
        _primary_key(),
        schema=schema,
        **_OPTIONS,
    )


class BillingSubscriptionMirrorMixin:
    """The table's columns, for a model on your own base. One row per customer, free of personal data."""

    __tablename__ = _TABLE

    #: The customer's id, as the gate's identity says it.
    queue_customer_id: Mapped[str] = mapped_column(Text, primary_key=True)
    #: ``free``, ``pro``, ``pro_plus``, or what the catalogue calls it.
    plan_tier: Mapped[str] = mapped_column(Text)
    #: ``active``, ``trialing``, ``past_due``, …
    status: Mapped[str] = mapped_column(Text)
    #: The end of the period that was paid for; with its leeway, the gate's.
    current_period_end: Mapped[datetime | None] = mapped_column(Instant)
    #: The row's version, from Queue's clock.
    updated_at: Mapped[datetime] = mapped_column(Instant)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[PrimaryKeyConstraint, dict[str, Any]]:
        return (_primary_key(), _OPTIONS)


def _primary_key() -> PrimaryKeyConstraint:
    # `conv`: the names are the migration's; the host's naming convention must not change them.
    return PrimaryKeyConstraint("queue_customer_id", name=conv(f"{_TABLE}_pkey"))


def _add_checks(table: Table, connection: Connection, **_: Any) -> None:
    """Adds SQLite's checks, once it is SQLite that makes the table.

    In the metadata from the start they would be rendered into the host's revisions for PostgreSQL too.
    """
    if connection.dialect.name != "sqlite":
        return
    for column, name in (("current_period_end", "period_end"), ("updated_at", "updated_at")):
        check = CheckConstraint(f"{column} glob '{_SQLITE_FORM}'", name=conv(f"{_TABLE}_{name}_check"))
        if check.name not in {constraint.name for constraint in table.constraints}:
            table.append_constraint(check.ddl_if("sqlite"))


# Not `strict`, as in the migration: not every SQLAlchemy 2.0 can write it beside `without rowid`.
_OPTIONS: dict[str, Any] = {"sqlite_with_rowid": False, "listeners": [("before_create", _add_checks)]}
