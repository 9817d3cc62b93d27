"""The mirror's table: one row per customer, free of personal data, which a gate reads.

Revision ID: py_paywall_0001
Revises: nothing: the first of its own branch
"""

from alembic import op

revision = "py_paywall_0001"
down_revision = None
branch_labels = ("py_paywall",)
depends_on = None


def upgrade() -> None:
    """Makes it."""
    dialect = op.get_context().dialect.name
    if dialect == "postgresql":
        op.execute(
            """
-- One row per customer, free of personal data: what a gate reads.
create table billing_subscription_mirror (
    queue_customer_id text not null,
    plan_tier text not null,
    status text not null,
    current_period_end timestamptz,
    updated_at timestamptz not null,
    constraint billing_subscription_mirror_pkey primary key (queue_customer_id)
);
"""
        )
    elif dialect == "sqlite":
        op.execute(
            """
-- One row per customer, free of personal data: what a gate reads.
-- Instants are UTC text of fixed width, so that text sorts as time does; other text is refused.
create table billing_subscription_mirror (
    queue_customer_id text not null,
    plan_tier text not null,
    status text not null,
    current_period_end text,
    updated_at text not null,
    constraint billing_subscription_mirror_pkey primary key (queue_customer_id),
    constraint billing_subscription_mirror_period_end_check check (current_period_end glob
        '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]'),
    constraint billing_subscription_mirror_updated_at_check check (updated_at glob
        '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]')
) strict, without rowid;
"""
        )
    else:
        raise NotImplementedError(f"py-paywall has no table for {dialect}")


def downgrade() -> None:
    """Drops it, with all its rows; Queue can send them again."""
    dialect = op.get_context().dialect.name
    if dialect in ("postgresql", "sqlite"):
        op.execute(
            """
drop table billing_subscription_mirror;
"""
        )
    else:
        raise NotImplementedError(f"py-paywall has no table for {dialect}")
