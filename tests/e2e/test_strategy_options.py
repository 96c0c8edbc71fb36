"""A side that `-X` favours is git's own affair: the model, which would take theirs everywhere, is not asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from mergebert.driver import registration
from mergebert.driver.registration import install, scope_of
from tests.conftest import Repository
from tests.e2e.driver_program import driver_program

BASE, OURS, THEIRS = ({"app.py": f"a = {number}\nb = 2\n"} for number in (1, 10, 11))


@pytest.fixture
def merging(repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Repository:
    """A repository whose branches conflict, with the stand-in as its driver."""
    script = driver_program(tmp_path / "bin")
    monkeypatch.setattr(registration, "program", lambda: str(script))
    install(scope_of("--local", repository.path))
    repository.diverge(BASE, OURS, THEIRS)
    return repository


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (["merge", "-X", "ours", "theirs"], OURS),
        (["merge", "-Xtheirs", "theirs"], THEIRS),
        (["merge", "--strategy-option=ours", "theirs"], OURS),
        (["-c", "branch.main.mergeOptions=-X ours", "merge", "theirs"], OURS),
        (["cherry-pick", "-Xours", "--keep-redundant-commits", "theirs"], OURS),
        (["rebase", "-X", "ours", "theirs"], THEIRS),
        (["rebase", "-X", "theirs", "theirs"], OURS),
    ],
)
def test_the_favoured_side_wins(merging: Repository, command: list[str], wanted: dict[str, str]) -> None:
    done = merging.run(*command)
    assert done.returncode == 0, done.stderr
    assert merging.read("app.py").decode() == wanted["app.py"]
    assert "mergebert" not in done.stderr


def test_without_a_favoured_side_the_model_is_asked(merging: Repository) -> None:
    done = merging.run("merge", "theirs")
    assert "resolved 1 of 1 conflicts" in done.stderr
    assert merging.read("app.py").decode() == THEIRS["app.py"]


def test_the_switch_leaves_the_favoured_side_to_git(merging: Repository) -> None:
    assert merging.run("merge", "-Xours", "theirs", env={"MERGEBERT": "0"}).returncode == 0
    assert merging.read("app.py").decode() == OURS["app.py"]
