"""Writes the mirror's migration as the next revision of a host's own history."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, rev_id

from py_paywall import _native
from py_paywall.alembic import frozen

_MAKES_THE_TABLE = re.compile(
    r"""create_?\s*table\W+(?:if\s+not\s+exists\W+)?(?:\w+\W)?billing_subscription_mirror\b""", re.IGNORECASE
)


class RevisionError(Exception):
    """Why no revision was written; says what to do."""


class AlreadyThereError(RevisionError):
    """The history makes the table already."""


@dataclass(frozen=True)
class Written:
    """The new revision."""

    path: str
    revision: str
    #: The head that it follows; ``None``: it is the first.
    after: str | None


def write(config_file: str | None, *, head: str | None, message: str) -> Written:
    """Writes the file after the host's current head. ``RevisionError`` where that is not clear."""
    if not hasattr(Config, "get_alembic_option"):
        raise RevisionError("this needs Alembic 1.16 or later: pip install 'py-paywall[alembic]'")
    try:
        history = ScriptDirectory.from_config(_config(config_file))
        _refuse_twice(history)
        after = _head(history, head)
        scripts = {dialect: _native.mirror_migration(dialect) for dialect in frozen.DIALECTS}
        script = history.generate_revision(
            rev_id(),
            message,
            head=after or "base",
            upgrades=frozen.body({dialect: up for dialect, (up, _) in scripts.items()}),
            downgrades=frozen.body({dialect: down for dialect, (_, down) in scripts.items()}),
            imports="",
        )
    except CommandError as error:
        raise RevisionError(str(error)) from error
    if script is None:
        raise RevisionError("Alembic does not find the file that it wrote: look at file_template in its settings")
    _see_that_it_is_whole(script, [sql for pair in scripts.values() for sql in pair])
    return Written(path=_shown(script), revision=script.revision, after=after)


def _config(given: str | None) -> Config:
    given = given or os.environ.get("ALEMBIC_CONFIG")
    if given:
        if not Path(given).is_file():
            raise RevisionError(f"{given} is not there: -c names the alembic.ini of your application")
        return _config_of(Path(given))
    # Alembic's own two, and Flask-Migrate's.
    for path in (Path("alembic.ini"), Path("pyproject.toml"), Path("migrations/alembic.ini")):
        if path.is_file() and (config := _config_of(path)).get_alembic_option("script_location"):
            return config
    raise RevisionError(
        "no alembic.ini here, and no [tool.alembic] in a pyproject.toml: run this where they are, or name one "
        "with -c. Without Alembic: py-paywall sql postgresql"
    )


def _config_of(path: Path) -> Config:
    if path.suffix == ".toml":
        return Config(toml_file=path)
    config = Config(path, toml_file=path.with_name("pyproject.toml"))
    # Flask-Migrate's file does not say where it is itself: env.py lies beside it.
    if not config.get_alembic_option("script_location") and path.with_name("env.py").is_file():
        config.set_main_option("script_location", str(path.parent).replace("%", "%%"))
    return config


def _refuse_twice(history: ScriptDirectory) -> None:
    for script in history.walk_revisions():
        if _MAKES_THE_TABLE.search(Path(script.path).read_text(encoding="utf-8")):
            raise AlreadyThereError(f"revision {script.revision} makes billing_subscription_mirror ({_shown(script)})")


def _head(history: ScriptDirectory, wanted: str | None) -> str | None:
    heads = [script for script in map(history.get_revision, history.get_heads()) if script is not None]
    if wanted is None:
        if len(heads) > 1:
            raise RevisionError(
                f"there are {len(heads)} heads; which one shall it go after? Give one of them with --head:\n"
                + _list(heads)
            )
        return heads[0].revision if heads else None
    chosen = history.get_revision(wanted)
    if chosen is None or chosen.revision not in {script.revision for script in heads}:
        raise RevisionError(f"{wanted} is no head of your history; its heads are:\n{_list(heads)}")
    return chosen.revision


def _list(heads: list[Script]) -> str:
    lines = []
    for script in heads:
        labels = f" ({', '.join(sorted(script.branch_labels))})" if script.branch_labels else ""
        lines.append(f"  --head {script.revision}{labels}  {script.doc}")
    return "\n".join(lines)


def _see_that_it_is_whole(script: Script, scripts: list[str]) -> None:
    text = Path(script.path).read_text(encoding="utf-8")
    if all(statement in text for sql in scripts for statement in frozen.statements(sql)):
        return
    # Flask-Migrate's and Alembic's templates for several databases have other places for it.
    Path(script.path).unlink()
    raise RevisionError(
        "your script.py.mako does not place `upgrades` and `downgrades`, so the revision would be empty and was "
        "not written: make one with `alembic revision`, and put there what `py-paywall sql` prints"
    )


def _shown(script: Script) -> str:
    path = Path(script.path)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
