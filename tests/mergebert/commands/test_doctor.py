from __future__ import annotations

import json
import os
from argparse import Namespace
from pathlib import Path

import pytest

from mergebert.commands import doctor
from mergebert.commands.doctor import checks, run
from mergebert.driver import registration
from mergebert.driver.registration import install, scope_of
from tests.e2e.driver_program import plain_program


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The console script, in a folder that is hard to quote, as what install registers."""
    made = plain_program(tmp_path / 'it\'s 100% "here"')
    quoted = "'" + str(made).replace("'", "'\"'\"'") + "'"
    monkeypatch.setattr(registration, "program", lambda: quoted)
    monkeypatch.setattr(doctor, "program", lambda: quoted)
    monkeypatch.setattr("mergebert.ranking.bundle.load_bundle", lambda path=None: {})
    return made


@pytest.fixture
def installed(repository, script: Path, monkeypatch: pytest.MonkeyPatch):
    """A repository with a file, the driver installed in it; the current folder."""
    repository.commit("first", {"a.py": "a\n", "b.lock": "b\n", ".gitattributes": "*.lock -merge\n"})
    monkeypatch.chdir(repository.path)
    install(scope_of("--local", repository.path))
    return repository


def failures(folder: Path) -> dict[str, str]:
    return {check.name: check.found for check in checks(folder) if not check.passed}


def test_all_is_well(installed, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Namespace(json=False)) == 0
    said = capsys.readouterr().out
    assert said.count("✓") == 10
    assert "✗" not in said
    assert f"files: used for 2 of 3 files of {installed.path}" in said


@pytest.mark.usefixtures("script")
def test_all_is_well_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert set(failures(tmp_path)) == {"driver", "merge bases", "files"}
    install(scope_of("--global", tmp_path))
    assert failures(tmp_path) == {}


def test_a_vanished_program(installed, script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script.unlink()
    assert set(failures(installed.path)) == {"program", "run"}
    assert run(Namespace(json=True)) == 1
    [program] = [check for check in json.loads(capsys.readouterr().out) if check["name"] == "program"]
    assert not program["passed"]
    assert program["remedy"] == "mergebert install"


def test_a_program_that_fails(installed, script: Path) -> None:
    script.write_text("#!/bin/sh\necho broken >&2\nexit 1\n", encoding="utf-8")
    assert failures(installed.path) == {"run": "a trial merge fails: broken"}


def test_a_driver_line_of_another_version(installed) -> None:
    installed.git("config", "merge.mergebert.driver", "mergebert merge --git %O %A %B")
    assert "driver" in failures(installed.path)


def test_unbalanced_quotes(installed) -> None:
    installed.git("config", "merge.mergebert.driver", "'mergebert merge --git %O %A %B")
    assert failures(installed.path)["program"] == "the driver line has unbalanced quotes"


def test_merge_bases_must_be_left_to_git(installed) -> None:
    installed.git("config", "--unset", "merge.mergebert.recursive")
    assert set(failures(installed.path)) == {"merge bases"}


@pytest.mark.parametrize("path", [":/opt/lib", "/opt/lib:", "lib"])
def test_a_python_path_that_names_the_repository(
    installed, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", path)
    assert set(failures(installed.path)) == {"PYTHONPATH"}
    monkeypatch.setenv("PYTHONPATH", "/opt/lib:/opt/more")
    assert failures(installed.path) == {}


def test_strategy_options_must_be_seen(installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "git_caller", lambda: None)
    assert set(failures(installed.path)) == {"strategy options"}


def test_a_driver_that_diffs_otherwise_than_git_is_told(installed) -> None:
    installed.git("config", "merge.mergebert.driver", "git merge-file --marker-size=%L %A %O %B # %P")
    assert failures(installed.path)["run"] == "a trial merge fails: exit code 1"


def test_a_repository_whose_files_go_elsewhere(installed) -> None:
    installed.git("config", "merge.default", "other")
    assert set(failures(installed.path)) == {"files"}


def test_a_damaged_bundle(installed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("MERGEBERT_BUNDLE", str(tmp_path / "nowhere"))
    assert "There is no model bundle" in failures(installed.path)["model bundle"]


def test_no_git_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    [check] = checks(Path(os.curdir))
    assert (check.name, check.remedy) == ("git", "install git 2.38 or later")


def test_a_git_that_cannot_read_its_settings_is_quoted_and_nothing_else_is_advised(
    isolated_git: Path, repository
) -> None:
    repository.write({".git/config": "[merge\n"})
    found, check = checks(repository.path)
    assert (found.passed, check.name, check.passed) == (True, "git", False)
    assert check.found == "git config failed: fatal: bad config line 1 in file .git/config."
    assert check.remedy.startswith("mend what git complains of")
    (isolated_git / ".gitconfig").write_text("[merge\n")
    [check] = checks(Path(os.curdir))
    assert check.found.startswith("git version failed: fatal: bad config line 1 in file ")


def test_an_old_git(installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "git_version", lambda: (2, 30, 1))
    assert failures(installed.path)["git"] == "version 2.30.1 is older than 2.38"


def test_a_setting_that_is_none_is_named_with_the_nearest(installed, tmp_path: Path) -> None:
    installed.git("config", "mergebert.maxeror", "0.1")
    installed.git("config", "--global", "mergebert.colour.Depth", "3")
    [check] = [one for one in checks(installed.path) if one.name == "settings"]
    assert not check.passed
    assert check.found == (
        "mergebert.colour.depth is no setting; mergebert.maxeror is no setting, did you mean mergebert.maxError?"
    )
    assert check.remedy == (
        "git config --global --unset-all mergebert.colour.depth, git config --local --unset-all mergebert.maxeror"
    )


def test_every_setting_is_known(installed) -> None:
    for key, value in (("MAXERROR", "0.1"), ("timeout", "3"), ("repositoryBundle", "true")):
        installed.git("config", f"mergebert.{key}", value)
    assert failures(installed.path) == {}


def test_a_value_that_a_setting_cannot_have(installed) -> None:
    installed.git("config", "mergebert.timeout", "soon")
    assert set(failures(installed.path)) == {"settings", "model bundle"}
    assert "mergebert.timeout in git config is 'soon'" in failures(installed.path)["settings"]
