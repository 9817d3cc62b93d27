"""`py-paywall alembic-revision` where it is not clear where the revision shall go, or it is there already."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from host.application import Host
from py_paywall import _native, cli
from py_paywall.alembic import frozen

Output = pytest.CaptureFixture[str]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path, "sqlite:///host.db")


def ask(*arguments: str) -> int:
    return cli.main(["alembic-revision", *arguments])


def test_the_revision_goes_after_the_current_head_and_says_so(host: Host, capsys: Output) -> None:
    host.adds("first")
    latest = host.adds("second")
    assert ask("-m", "the mirror") == 0
    said = capsys.readouterr().out
    assert re.search(rf"wrote migrations/versions/\w+_the_mirror.py: \w+, after {latest}\n", said)
    host.upgrade()


def test_the_revision_of_a_host_without_history_is_its_first(host: Host, capsys: Output) -> None:
    assert ask() == 0
    assert "after nothing" in capsys.readouterr().out
    host.upgrade()


def test_several_heads_are_a_question_that_names_them_and_the_flag(host: Host, capsys: Output) -> None:
    first = host.adds("first")
    one = host.adds("one", label="web")
    other = host.adds("other", head=first, splice=True)
    before = host.written()
    assert ask() == 2
    said = capsys.readouterr().err
    assert "there are 2 heads" in said
    assert f"--head {one} (web)  one\n" in said
    assert f"--head {other}  other\n" in said
    assert host.written() == before

    assert ask("--head", "web@head") == 0
    assert f"after {one}" in capsys.readouterr().out
    assert len(host.heads()) == 2


@pytest.mark.parametrize("head", ["first", "nothing-of-this-name", "base", "+1"])
def test_what_is_no_head_is_no_place(head: str, host: Host, capsys: Output) -> None:
    first = host.adds("first")
    host.adds("second")
    before = host.written()
    assert ask("--head", first if head == "first" else head) == 2
    assert capsys.readouterr().err.startswith("py-paywall: ")
    assert host.written() == before


def test_a_second_one_is_not_written(host: Host, capsys: Output) -> None:
    assert ask() == 0
    host.adds("later")
    before = host.written()
    capsys.readouterr()
    assert ask() == 0
    assert re.match(r"nothing to write: revision \w+ makes billing_subscription_mirror", capsys.readouterr().out)
    assert host.written() == before


def test_a_host_that_includes_the_branch_gets_no_revision(host: Host, capsys: Output) -> None:
    host.includes_our_branch()
    assert ask() == 0
    assert "revision py_paywall_0001 makes billing_subscription_mirror" in capsys.readouterr().out
    assert host.written() == []


def test_a_host_that_made_the_table_by_hand_gets_no_revision(host: Host, capsys: Output) -> None:
    host.adds("billing_subscription_mirror")
    assert ask() == 0
    assert "nothing to write" in capsys.readouterr().out
    assert len(host.written()) == 1


def test_no_configuration_of_alembic_says_what_to_do(capsys: Output) -> None:
    assert ask() == 2
    said = capsys.readouterr().err
    assert "no alembic.ini here" in said
    assert "py-paywall sql" in said
    assert ask("-c", "elsewhere/alembic.ini") == 2
    assert "elsewhere/alembic.ini is not there" in capsys.readouterr().err


def test_a_configuration_elsewhere_is_found_by_its_name(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert ask() == 2
    monkeypatch.setenv("ALEMBIC_CONFIG", str(host.ini))
    assert ask() == 0
    monkeypatch.delenv("ALEMBIC_CONFIG")
    assert ask("-c", "../alembic.ini") == 0
    assert len(host.written()) == 1


def test_a_pyproject_toml_configures_alembic_too(host: Host, tmp_path: Path) -> None:
    host.ini.unlink()
    (tmp_path / "pyproject.toml").write_text('[tool.alembic]\nscript_location = "%(here)s/migrations"\n')
    assert ask() == 0
    assert len(host.written()) == 1
    assert ask("-c", "pyproject.toml") == 0
    assert len(host.written()) == 1


def test_the_layout_of_flask_migrate_is_found(host: Host) -> None:
    host.ini.rename(host.migrations / "alembic.ini")
    text = re.sub(r"script_location = .*", "", (host.migrations / "alembic.ini").read_text())
    (host.migrations / "alembic.ini").write_text(text)
    assert ask() == 0
    assert len(host.written()) == 1


def test_a_template_without_a_place_for_it_is_refused_rather_than_left_empty(tmp_path: Path, capsys: Output) -> None:
    host = Host(tmp_path, "sqlite:///host.db")
    template = host.migrations / "script.py.mako"
    template.write_text(re.sub(r"\$\{(up|down)grades.*", "pass", template.read_text()))
    assert ask() == 2
    assert "script.py.mako" in capsys.readouterr().err
    assert host.written() == []


def test_what_the_branch_holds_is_what_would_be_written_today() -> None:
    import py_paywall.alembic

    (revision,) = Path(py_paywall.alembic.__file__).with_name("versions").glob("*.py")
    text = revision.read_text()
    for number in (0, 1):
        assert frozen.body({dialect: _native.mirror_migration(dialect)[number] for dialect in frozen.DIALECTS}) in text


def test_a_script_is_taken_apart_into_its_statements_verbatim() -> None:
    script = "-- One;\ncreate table a (\n    b text -- c\n);\n\ninsert into a values (';');\n"
    assert frozen.statements(script) == [
        "-- One;\ncreate table a (\n    b text -- c\n);\n",
        "\ninsert into a values (';');\n",
    ]
    assert "".join(frozen.statements(script)) == script


@pytest.mark.parametrize("script", ["select 1", "select ':b' = :a;\n", "select '\\';\n", 'select """";\n'])
def test_a_script_that_would_change_in_the_freezing_is_refused(script: str) -> None:
    with pytest.raises(ValueError, match=r"migration|statement"):
        frozen.body({"sqlite": script})
