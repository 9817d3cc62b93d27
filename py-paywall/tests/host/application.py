"""An application with an Alembic history of its own, as `alembic init` makes it, in a folder of its own."""

from __future__ import annotations

import re
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

#: How `env.py` gets at the metadata.
NOTHING = "from sqlalchemy import MetaData\ntarget_metadata = MetaData()"
MODEL = """\
from sqlalchemy.orm import DeclarativeBase
from py_paywall.sqlalchemy import BillingSubscriptionMirrorMixin
class Base(DeclarativeBase):
    pass
class BillingSubscriptionMirror(BillingSubscriptionMirrorMixin, Base):
    pass
target_metadata = Base.metadata"""
TABLE = """\
from sqlalchemy import MetaData
from py_paywall.sqlalchemy import mirror_table
target_metadata = MetaData()
mirror_table(target_metadata)"""

_BRANCH = """\
path_separator = newline
version_locations =
    %(here)s/migrations/versions
    py_paywall:alembic/versions"""


class Host:
    """Runs Alembic as its command line does. Its folder is the current one."""

    def __init__(self, folder: Path, url: str, *, template: str = "generic") -> None:
        self.ini = folder / "alembic.ini"
        self.migrations = folder / "migrations"
        self.versions = self.migrations / "versions"
        self.config = Config(self.ini)
        command.init(self.config, str(self.migrations), template=template)
        self._rewrite(self.ini, r"sqlalchemy\.url = .*", f"sqlalchemy.url = {url}")
        # It would set up logging for the whole of the tests.
        self._rewrite(self.migrations / "env.py", r"    fileConfig\(.*\)", "    pass")
        self.knows(NOTHING)

    def knows(self, metadata: str, *, filter_name: str | None = None) -> None:
        """Sets what `env.py` gives to autogenerate."""
        env = self.migrations / "env.py"
        imported = f"from py_paywall.alembic import {filter_name}\n" if filter_name else ""
        text = f"# metadata\n{imported}{metadata}\n# end"
        self._rewrite(env, r"target_metadata = None|# metadata\n.*?# end", text)
        if filter_name:
            given = f"target_metadata=target_metadata, {filter_name}={filter_name}"
            self._rewrite(env, r"(?<=[ (])target_metadata=target_metadata(?:, include_\w+)?", given)

    def includes_our_branch(self) -> None:
        """As the README says."""
        self._rewrite(self.ini, r"path_separator = os", _BRANCH)
        self.config = Config(self.ini)

    def adds(self, name: str, *, head: str = "head", label: str | None = None, splice: bool = False) -> str:
        """Adds a revision that makes a table, and answers its id."""
        script = command.revision(self.config, message=name, head=head, branch_label=label, splice=splice)
        assert script is not None
        assert not isinstance(script, list)
        path = Path(script.path)
        make, drop = (
            f'op.create_table("{name}", sa.Column("id", sa.Integer, primary_key=True))',
            f'op.drop_table("{name}")',
        )
        path.write_text(path.read_text().replace("pass", make, 1).replace("pass", drop, 1))
        return script.revision

    def upgrade(self, to: str = "heads") -> None:
        command.upgrade(self.config, to)

    def downgrade(self, to: str) -> None:
        command.downgrade(self.config, to)

    def differences(self) -> str:
        """What autogenerate would change; empty: nothing."""
        try:
            command.check(self.config)
        except CommandError as error:
            return str(error)
        return ""

    def heads(self) -> list[str]:
        return sorted(ScriptDirectory.from_config(self.config).get_heads())

    def written(self) -> list[Path]:
        return sorted(self.versions.glob("*.py"))

    @staticmethod
    def _rewrite(path: Path, pattern: str, text: str) -> None:
        changed, count = re.subn(pattern, lambda _: text, path.read_text(), flags=re.DOTALL if "\\n" in pattern else 0)
        assert count, (path, pattern)
        path.write_text(changed)
