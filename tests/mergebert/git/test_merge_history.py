from __future__ import annotations

import os
from pathlib import Path

import pytest

from mergebert.git import merge_history as module
from mergebert.git.merge_history import Merger, git_in, merge_history
from mergebert.text.history import MergeHistory, PastVersions, SideChange
from tests.conftest import Repository

MERGER = Merger("TEST@example.org", 10_000, ("main", "theirs"))


def commit_by(repository: Repository, address: str, time: int, files: dict[str, str]) -> str:
    """A commit written by this address at this time."""
    repository.write(files)
    repository.git("add", "--all")
    author = (f"--author=Someone <{address}>", f"--date=@{time} +0000")
    repository.git("commit", "--quiet", "--allow-empty", "--message", f"at {time}", *author)
    return repository.git("rev-parse", "HEAD")


@pytest.fixture
def diverged(repository: Repository) -> Repository:
    """Two branches that changed a file twice and once, and a second file on one side."""
    commit_by(repository, "a@x", 100, {"a.py": "1\n"})
    repository.git("branch", "theirs")
    commit_by(repository, "b@x", 200, {"a.py": "2\n"})
    commit_by(repository, "test@example.org", 300, {"a.py": "3\n", "dé 'b'\n.py": "x\n"})
    repository.git("checkout", "--quiet", "theirs")
    commit_by(repository, "c@x", 400, {"a.py": "4\n"})
    repository.git("checkout", "--quiet", "main")
    return repository


def told(repository: Repository, *paths: str, seconds: float = 60.0) -> MergeHistory:
    ours, theirs = repository.git("rev-parse", "main", "theirs").split("\n")
    return merge_history(git_in(repository.path, seconds), ours, theirs, MERGER, paths)


def test_the_sides_of_a_merge_and_what_they_did_to_a_file(diverged: Repository) -> None:
    found = told(diverged, "a.py", "dé 'b'\n.py", "none.py")
    context = found.context
    assert context is not None
    assert (context.base_time, context.ours_time, context.theirs_time, context.merge_time) == (
        100,
        300,
        400,
        10_000,
    )
    assert (context.ours_commits, context.theirs_commits) == (2, 1)
    assert (context.ours_is_merger, context.theirs_is_merger) == (True, False)
    assert (context.ours_branch, context.theirs_branch) == ("main", "theirs")
    assert found.changes["a.py"] == (SideChange(2, 300, True), SideChange(1, 400, False))
    assert found.changes["dé 'b'\n.py"] == (SideChange(1, 300, True), SideChange())
    assert found.past["a.py"] == PastVersions(("3\n", "2\n"), ("4\n",))
    assert found.past["none.py"] == PastVersions((), ())


def test_a_file_that_was_taken_away_and_brought_back(repository: Repository) -> None:
    commit_by(repository, "a@x", 1, {"a.py": "1\n"})
    repository.git("branch", "theirs")
    commit_by(repository, "a@x", 2, {"a.py": "2\n"})
    repository.git("rm", "--quiet", "a.py")
    commit_by(repository, "a@x", 3, {})
    commit_by(repository, "a@x", 4, {"a.py": "4\n"})
    assert told(repository, "a.py").past["a.py"].ours == ("4\n", "2\n")


def test_texts_beyond_the_bounds_are_left_out(diverged: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 3)
    assert told(diverged, "a.py").past["a.py"] == PastVersions(("3\n",), ())
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    monkeypatch.setattr(module, "MOST_VERSIONS", 1)
    assert told(diverged, "a.py").past["a.py"] == PastVersions(("3\n",), ("4\n",))


def test_a_history_that_takes_too_long_stays_unknown(diverged: Repository) -> None:
    assert told(diverged, "a.py", seconds=0.0) == MergeHistory()


def test_a_shallow_clone_tells_nothing_of_the_files(diverged: Repository, tmp_path: Path) -> None:
    ours, theirs = diverged.git("rev-parse", "main", "theirs").split("\n")
    clone = tmp_path / "clone"
    diverged.git("clone", "--quiet", "--depth=1", "--no-single-branch", f"file://{diverged.path}", str(clone))
    found = merge_history(git_in(clone, 60.0), ours, theirs, MERGER, ["a.py"])
    assert (found.changes, found.past) == ({}, {})


def test_nothing_is_known_of_what_is_no_repository_or_no_commit(diverged: Repository, tmp_path: Path) -> None:
    assert merge_history(git_in(tmp_path / "nowhere"), "a", "b", MERGER, ["a.py"]) == MergeHistory()
    found = merge_history(
        git_in(diverged.path), diverged.git("rev-parse", "main"), "0" * 40, MERGER, ["a.py"]
    )
    assert found.context is None
    assert found.past["a.py"] == PastVersions()


def test_histories_that_share_nothing_have_no_context(repository: Repository) -> None:
    commit_by(repository, "a@x", 1, {"a.py": "1\n"})
    repository.git("checkout", "--quiet", "--orphan", "theirs")
    commit_by(repository, "a@x", 2, {"a.py": "2\n"})
    assert told(repository, "a.py").context is None


def test_no_program_of_the_configuration_runs_and_nothing_is_fetched(
    diverged: Repository, tmp_path: Path
) -> None:
    script = tmp_path / "run"
    script.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\ncat\n")
    script.chmod(0o755)
    partial = tmp_path / "partial"
    diverged.git("config", "uploadpack.allowFilter", "true")
    diverged.git("clone", "--quiet", "--bare", "--filter=blob:none", f"file://{diverged.path}", str(partial))
    for name, value in (
        ("log.showSignature", "true"),
        ("gpg.program", str(script)),
        ("diff.external", str(script)),
        ("core.sshCommand", str(script)),
        ("core.pager", str(script)),
    ):
        diverged.git("--git-dir", str(partial), "config", name, value)
    ours, theirs = diverged.git("rev-parse", "main", "theirs").split("\n")
    found = merge_history(git_in(partial, 60.0), ours, theirs, MERGER, ["a.py"])
    assert found.changes["a.py"][0].commits == 2
    assert found.past["a.py"].ours in ((), None)
    assert not os.path.exists(tmp_path / "ran")
