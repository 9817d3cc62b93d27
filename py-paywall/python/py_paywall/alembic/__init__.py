"""The mirror's table in a host's Alembic history: as a branch, or as one of the host's own revisions.

As a branch, in ``alembic.ini`` (then ``alembic upgrade heads``)::

    path_separator = newline
    version_locations =
        %(here)s/migrations/versions
        py_paywall:alembic/versions

As a revision of the host's own: ``py-paywall alembic-revision``.

Either way the host's autogenerate must not take the table for one that was given up. Have the model of
:mod:`py_paywall.sqlalchemy` in the host's metadata, or give ``env.py`` this filter::

    from py_paywall.alembic import include_object

    context.configure(..., include_object=include_object)
"""

from __future__ import annotations

from typing import Any

__all__ = ["include_name", "include_object"]

# The second is kept by those who make the table with the Rust migrations.
_OURS = frozenset(("billing_subscription_mirror", "_billing_mirror_migrations"))
# SQLite's alone, so no model has them.
_CHECKS = frozenset(f"billing_subscription_mirror_{name}_check" for name in ("period_end", "updated_at"))


def include_object(thing: Any, name: str | None, type_: str, reflected: bool, compare_to: Any) -> bool:
    """For ``context.configure(include_object=…)``: leaves alone the table that the host has no model of.

    Where the host does have the model, it is compared like any other; but for SQLite's checks, where Alembic's
    plugin for checks is switched on.
    """
    if type_ == "check_constraint":
        return name not in _CHECKS
    return not (type_ == "table" and reflected and compare_to is None and name in _OURS)


def include_name(name: str | None, type_: str, parent_names: Any) -> bool:
    """For ``context.configure(include_name=…)``, where the host has no model of the table.

    With the model in the host's metadata, use :func:`include_object`: here Alembic would not see the table
    in the database, and would make it again.
    """
    return not (type_ == "table" and name in _OURS)
