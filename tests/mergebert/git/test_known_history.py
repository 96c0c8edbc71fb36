from __future__ import annotations

from pathlib import Path

import pytest

from mergebert.git.known_history import (
    history_of,
    history_of_called,
    history_of_commits,
    history_of_waiting,
)
from mergebert.git.operation import Operation
from mergebert.text.history import UNKNOWN_MERGE, PastVersions
from tests.conftest import Repository

BASE, OURS, THEIRS = ({"a.py": f"{text}\n"} for text in ("base", "ours", "theirs"))


@pytest.fixture
def clashing(repository: Repository) -> Repository:
    repository.diverge(BASE, OURS, THEIRS)
    return repository


def test_a_merge_that_waits_is_told(clashing: Repository) -> None:
    assert history_of_waiting(clashing.path, ["a.py"]) == UNKNOWN_MERGE
    assert clashing.run("merge", "theirs").returncode == 1
    found = history_of_waiting(clashing.path, ["a.py"])
    assert found.context is not None
    assert found.context.theirs_branch == "theirs"
    assert (found.context.ours_is_merger, found.context.theirs_is_merger) == (True, True)
    assert found.past["a.py"] == PastVersions(("ours\n",), ("theirs\n",))


@pytest.mark.parametrize("command", [("rebase", "theirs"), ("cherry-pick", "theirs")])
def test_a_commit_that_is_picked_is_one_side(clashing: Repository, command: tuple[str, ...]) -> None:
    assert clashing.run(*command).returncode == 1
    found = history_of_waiting(clashing.path, ["a.py"])
    assert found.context is not None
    assert {len(texts or ()) for texts in (found.past["a.py"].ours, found.past["a.py"].theirs)} == {1}


def test_what_a_command_is_merging_is_told(clashing: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clashing.path)
    theirs = clashing.git("rev-parse", "theirs")
    expected = PastVersions(("ours\n",), ("theirs\n",))
    assert history_of_called(("cherry-pick", "theirs"), clashing.path, ["a.py"]).past["a.py"] == expected
    monkeypatch.setenv(f"GITHEAD_{theirs}", "origin/main")
    found = history_of_called(("merge", "theirs"), clashing.path, ["a.py"])
    assert found.past["a.py"] == expected
    assert found.context is not None
    assert found.context.theirs_branch == "origin/main"
    assert history_of_called(("stash", "pop"), clashing.path, ["a.py"]) == UNKNOWN_MERGE
    assert history_of_called((), clashing.path, ["a.py"]) == UNKNOWN_MERGE


def test_the_commit_that_a_rebase_is_at_is_one_side(
    clashing: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert clashing.run("rebase", "theirs").returncode == 1
    monkeypatch.chdir(clashing.path)
    found = history_of_called(("rebase", "theirs"), clashing.path, ["a.py"])
    assert found.past["a.py"] == PastVersions(("theirs\n",), ("ours\n",))


def test_a_revert_has_no_sides_to_tell_of(clashing: Repository) -> None:
    clashing.commit("more", {"a.py": "more\n"})
    assert clashing.run("revert", "--no-edit", "HEAD~1").returncode == 1
    assert history_of_waiting(clashing.path, ["a.py"]) == UNKNOWN_MERGE


def test_a_merge_of_several_is_not_told(clashing: Repository) -> None:
    head, theirs = clashing.git("rev-parse", "main", "theirs").split("\n")
    assert history_of(Operation("merge", head, (head, theirs)), clashing.path, ["a.py"]) == UNKNOWN_MERGE


def test_of_named_commits_nobody_knows_who_merges(clashing: Repository, tmp_path: Path) -> None:
    clashing.git("clone", "--quiet", "--bare", str(clashing.path), str(tmp_path / "bare"))
    ours, theirs = clashing.git("rev-parse", "main", "theirs").split("\n")
    found = history_of_commits(tmp_path / "bare", ours, theirs, ["a.py"])
    assert found.context is not None
    assert (found.context.ours_is_merger, found.context.theirs_is_merger) == (None, None)
    assert found.context.merge_time == max(found.context.ours_time, found.context.theirs_time)
    assert found.past["a.py"] == PastVersions(("ours\n",), ("theirs\n",))


def test_outside_of_a_repository_nothing_is_told(tmp_path: Path) -> None:
    assert history_of_waiting(tmp_path, ["a.py"]) == UNKNOWN_MERGE
