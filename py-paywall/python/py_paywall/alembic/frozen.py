"""The mirror's migration as the text of a revision, frozen: later versions of this package don't change it."""

from __future__ import annotations

from collections.abc import Mapping

#: Databases that have the migration, as SQLAlchemy names them.
DIALECTS = ("postgresql", "sqlite")


def statements(script: str) -> list[str]:
    """The statements of a script, verbatim, each with the comments before it.

    One by one, since most drivers take only one at a time. A statement ends where a line ends in ``;``.
    """
    found, lines = [], []
    for line in script.splitlines(keepends=True):
        lines.append(line)
        if line.rstrip().endswith(";") and not line.lstrip().startswith("--"):
            found.append("".join(lines))
            lines = []
    if "".join(lines).strip():
        raise ValueError("the script does not end in a statement")
    return found


def body(scripts: Mapping[str, str]) -> str:
    """The body of a revision's function that runs each database's script: ``{dialect: SQL}``."""
    dialects: dict[str, list[str]] = {}
    for dialect, script in scripts.items():
        dialects.setdefault(script, []).append(dialect)
    lines = ["dialect = op.get_context().dialect.name"]
    for script, names in dialects.items():
        branch = "elif" if len(lines) > 1 else "if"
        lines.append(f"    {branch} dialect {_is(names)}:")
        lines.extend(f"        op.execute(\n{_literal(statement)}        )" for statement in statements(script))
    lines.append("    else:")
    lines.append('        raise NotImplementedError(f"py-paywall has no table for {dialect}")')
    return "\n".join(lines)


def _is(names: list[str]) -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"in ({quoted})" if len(names) > 1 else f"== {quoted}"


def _literal(statement: str) -> str:
    # What is in it must be neither Python's escape, nor the end of the literal, nor a parameter to
    # SQLAlchemy's `text`. Doubled by no one: the text stays the migration's own.
    if "\\" in statement or '"""' in statement or _has_parameter(statement):
        raise ValueError("the migration can't be frozen as it is")
    return f'            """\n{statement}"""\n'


def _has_parameter(statement: str) -> bool:
    from sqlalchemy import text

    return bool(text(statement).compile().params)
