"""The model of the table: what it reads, what it refuses, and that it makes what the migration makes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import orm

from py_paywall import _native
from py_paywall.sqlalchemy import BillingSubscriptionMirrorMixin, Instant, mirror_table

END = datetime(2027, 1, 15, 8, 0, 0, 1, tzinfo=timezone.utc)


class Base(orm.DeclarativeBase):
    # A host's own names must not become the table's.
    metadata = sa.MetaData(naming_convention={"pk": "pk_%(table_name)s", "ck": "ck_%(table_name)s_%(constraint_name)s"})


class BillingSubscriptionMirror(BillingSubscriptionMirrorMixin, Base):
    pass


class Account(Base):
    __tablename__ = "account"
    id: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    mirror: orm.Mapped[BillingSubscriptionMirror | None] = orm.relationship(
        primaryjoin=lambda: orm.foreign(Account.id) == BillingSubscriptionMirror.queue_customer_id, viewonly=True
    )


@pytest.fixture
def migrated(engine: sa.Engine) -> sa.Engine:
    """A database with the migration's table."""
    with engine.begin() as connection:
        connection.exec_driver_sql(_native.mirror_migration(engine.dialect.name)[0])
    return engine


def row(customer: str, end: datetime | None) -> BillingSubscriptionMirror:
    return BillingSubscriptionMirror(
        queue_customer_id=customer, plan_tier="pro", status="active", current_period_end=end, updated_at=END
    )


def test_instants_come_back_as_they_went_in_with_their_zone(migrated: sa.Engine) -> None:
    elsewhere = END.astimezone(timezone(timedelta(hours=5, minutes=30)))
    with orm.Session(migrated) as session:
        session.add_all([row("ada", elsewhere), row("bob", None), row("eve", END + timedelta(days=400))])
        session.commit()
        ends = {
            mirror.queue_customer_id: mirror.current_period_end for mirror in session.query(BillingSubscriptionMirror)
        }
    assert ends == {"ada": END, "bob": None, "eve": END + timedelta(days=400)}
    assert ends["ada"] is not None
    assert ends["ada"].utcoffset() == timedelta(0)


def test_instants_compare_and_sort_in_the_database(migrated: sa.Engine) -> None:
    with orm.Session(migrated) as session:
        session.add_all([row(str(number), END + timedelta(microseconds=number)) for number in range(5)])
        session.commit()
        late = sa.select(BillingSubscriptionMirror.queue_customer_id).where(
            BillingSubscriptionMirror.current_period_end > END + timedelta(microseconds=2)
        )
        found = session.scalars(late.order_by(BillingSubscriptionMirror.current_period_end.desc())).all()
    assert found == ["4", "3"]


def test_a_time_without_a_zone_is_refused() -> None:
    for dialect in (sa.create_engine("sqlite://").dialect, sa.create_engine("postgresql+psycopg://").dialect):
        with pytest.raises(ValueError, match="needs a zone"):
            Instant().process_bind_param(datetime(2027, 1, 15), dialect)


def test_the_model_joins_to_the_hosts_own(migrated: sa.Engine) -> None:
    Base.metadata.create_all(migrated)
    with orm.Session(migrated) as session:
        session.add_all([row("ada", END), Account(id="ada"), Account(id="bob")])
        session.commit()
        accounts = {account.id: account.mirror and account.mirror.plan_tier for account in session.query(Account)}
    assert accounts == {"ada": "pro", "bob": None}


@pytest.mark.parametrize("made_by", ["model", "table"])
def test_what_the_model_makes_is_what_the_migration_makes(made_by: str, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(_native.mirror_migration(engine.dialect.name)[0])
    expected = _shape(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(_native.mirror_migration(engine.dialect.name)[1])
    table = BillingSubscriptionMirror.__table__ if made_by == "model" else mirror_table(sa.MetaData())
    assert isinstance(table, sa.Table)
    table.create(engine)
    assert _shape(engine) == expected


def _shape(engine: sa.Engine) -> list[object]:
    found = sa.inspect(engine)
    name = "billing_subscription_mirror"
    columns = [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(name)]
    zones = [getattr(column["type"], "timezone", None) for column in found.get_columns(name)]
    checks = sorted((check["name"], " ".join(check["sqltext"].split())) for check in found.get_check_constraints(name))
    key = found.get_pk_constraint(name)
    return [columns, zones, checks, key["name"], key["constrained_columns"], _options(engine)]


def _options(engine: sa.Engine) -> set[str]:
    if engine.dialect.name != "sqlite":
        return set()
    with engine.connect() as connection:
        sql = connection.exec_driver_sql("select sql from sqlite_schema where type = 'table'").scalar_one()
    return {option.strip().lower() for option in sql.rpartition(")")[2].split(",")} - {"strict"}


def test_one_metadata_makes_the_table_in_both_databases(engine: sa.Engine) -> None:
    metadata = sa.MetaData()
    mirror_table(metadata).create(sa.create_engine("sqlite://", poolclass=sa.pool.NullPool))
    metadata.create_all(engine)
    assert len(sa.inspect(engine).get_check_constraints("billing_subscription_mirror")) in (0, 2)


def test_a_hosts_revision_for_the_model_has_nothing_that_only_sqlite_knows(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        metadata = sa.MetaData()
        mirror_table(metadata)
        operations = produce_migrations(context, metadata).upgrade_ops
        assert operations is not None
        rendered = render_python_code(operations)
    assert "billing_subscription_mirror_pkey" in rendered
    assert "glob" not in rendered


def test_the_table_is_added_to_a_metadata_once() -> None:
    metadata = sa.MetaData()
    assert mirror_table(metadata) is mirror_table(metadata)
    assert mirror_table(metadata, schema="app") is mirror_table(metadata, schema="app")
    assert len(metadata.tables) == 2
