"""The command as a whole: its help, its SQL, and how it starts and ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from py_paywall import __version__, _native, cli

Output = pytest.CaptureFixture[str]
COMMANDS = ["check", "doctor", "alembic-revision", "sql", "import-customers", "verify-audit"]


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "py_paywall", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)  # type: ignore[call-overload, no-any-return]


def test_the_module_runs_as_the_command_does() -> None:
    answer = run("--version")
    assert (answer.returncode, answer.stdout) == (0, f"py-paywall {__version__}\n")


def test_nothing_is_wrong_usage_and_says_what_there_is(capsys: Output) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_examples(command: str, capsys: Output) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "Example" in said
    assert f"py-paywall {command}" in said
    assert max(map(len, said.splitlines())) <= 120


@pytest.mark.parametrize("dialect", ["postgresql", "sqlite"])
def test_sql_is_the_migrations_own(dialect: str, capsys: Output) -> None:
    up, down = _native.mirror_migration(dialect)
    assert cli.main(["sql", dialect]) == 0
    assert capsys.readouterr().out == up
    assert cli.main(["sql", dialect, "--down"]) == 0
    assert capsys.readouterr().out == down


def test_a_reader_that_has_seen_enough_is_no_traceback() -> None:
    command = f"{sys.executable} -m py_paywall sql sqlite | true"
    answer = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in answer.stderr
    assert "BrokenPipe" not in answer.stderr


def test_the_commands_load_no_framework_and_no_alembic() -> None:
    program = (
        "import sys, py_paywall.cli\n"
        "assert not {'alembic', 'sqlalchemy', 'fastapi', 'flask', 'django', 'starlette', 'httpx'} & set(sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr


def test_alembic_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.delitem(sys.modules, "py_paywall.alembic.revision", raising=False)
    monkeypatch.delattr("py_paywall.alembic.revision", raising=False)
    monkeypatch.setitem(sys.modules, "alembic.config", None)
    assert cli.main(["alembic-revision"]) == 2
    assert "pip install 'py-paywall[alembic]'" in capsys.readouterr().err
