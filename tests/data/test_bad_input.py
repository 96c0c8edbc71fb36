"""Repositories that are not as they should be, mined as a user mines them: every merge is mined or counted by a reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mergebert_data.history.repository
from mergebert.cli import main
from mergebert.errors import GitError
from mergebert_data.dataset.store import read_rows
from mergebert_data.history.repository import open_repository
from mergebert_data.mine.join import joined
from mergebert_data.mine.local_engine import mined_blocks
from mergebert_data.mine.merge_block import mine_block
from mergebert_data.mine.plan import MiningSettings, planned
from tests.conftest import Repository
from tests.data.commands.test_mine import conflicting_merges

LICENCE = "Permission to use, copy, modify, and/or distribute this software for any purpose\n"


@pytest.fixture
def good(make_repository: Callable[..., Repository]) -> Path:
    """A repository without a fault, of three conflicts."""
    return conflicting_merges(make_repository("owner+good"), 3, "good").path


@pytest.fixture
def bad(make_repository: Callable[..., Repository]) -> Repository:
    """A repository of two merges with conflicts and a licence, to be damaged."""
    repository = make_repository("owner+bad")
    repository.commit("licence", {"LICENSE": LICENCE})
    return conflicting_merges(repository, 2, "bad")


def mined(out: Path, *repositories: Path) -> tuple[int, dict[str, Any]]:
    """The exit code of mining, and what was counted."""
    code = main(["mine", *map(str, repositories), "-o", str(out), "-j", "1", "--json"])
    return code, json.loads((out / "statistics.json").read_text(encoding="utf-8"))


def repositories_of(out: Path) -> list[str]:
    return [row["repository"] for row in read_rows(out) if row["kind"] == "conflict"]


def stored(repository: Path) -> list[str]:
    return sorted(str(path.relative_to(repository)) for path in repository.rglob("*"))


def test_a_partial_clone_is_mined_as_far_as_it_goes_and_fetches_nothing(
    good: Path, bad: Repository, tmp_path: Path
) -> None:
    bad.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "owner+partial"
    bad.git("clone", "--quiet", "--bare", "--filter=blob:none", bad.path.as_uri(), str(clone))
    before = stored(clone)
    code, figures = mined(tmp_path / "out", clone, good)
    assert stored(clone) == before
    assert (code, figures["counts"]["merge: git gave up"], figures["counts"]["merges"]) == (0, 2, 5)
    assert repositories_of(tmp_path / "out") == ["owner/good"] * 3


@pytest.mark.parametrize("is_zeroed", [True, False])
def test_a_licence_that_is_lost_or_damaged_is_unknown(
    bad: Repository, tmp_path: Path, is_zeroed: bool
) -> None:
    blob = bad.git("rev-parse", "HEAD:LICENSE")
    path = bad.path / ".git" / "objects" / blob[:2] / blob[2:]
    path.chmod(0o644)
    path.write_bytes(bytes(40)) if is_zeroed else path.unlink()
    code, _ = mined(tmp_path / "out", bad.path)
    assert code == 0
    facts = json.loads((tmp_path / "out" / "repositories.json").read_text(encoding="utf-8"))
    assert facts["owner/bad"]["licence"] == "unknown"


def test_octopus_merges_shallow_clones_and_histories_without_merges_are_counted(
    good: Path, bad: Repository, make_repository: Callable[..., Repository], tmp_path: Path
) -> None:
    tips = [bad.git("rev-parse", name) for name in ("branch-0~1", "branch-1~1", "main")]
    parents = [part for tip in tips for part in ("-p", tip)]
    bad.git("branch", "octopus", bad.git("commit-tree", "-m", "three", *parents, "HEAD^{tree}"))
    shallow = tmp_path / "owner+shallow"
    bad.git("clone", "--quiet", "--bare", "--depth=2", "--no-single-branch", bad.path.as_uri(), str(shallow))
    plain, empty = make_repository("owner+plain"), make_repository("owner+empty")
    plain.commit("one", {"a.py": "a\n"})
    code, figures = mined(tmp_path / "out", good, bad.path, shallow, plain.path, empty.path)
    counts = figures["counts"]
    assert (code, counts["merges"], counts["repositories"]) == (0, 5, 5)
    assert counts["merge: of more than two parents"] == 2
    assert counts["merge: cut off by a shallow clone"] == 2
    assert counts["repository: no merge to mine"] == 3
    assert repositories_of(tmp_path / "out") == ["owner/bad"] * 2 + ["owner/good"] * 3


def test_a_submodule_both_sides_moved_is_counted(
    bad: Repository, make_repository: Callable[..., Repository], tmp_path: Path
) -> None:
    repository = make_repository("owner+outer")
    commits = [bad.git("rev-parse", name) for name in ("main", "branch-0", "branch-1", "branch-0~1")]

    def moved(commit: str) -> None:
        for path in ("lib", "lib.py"):
            repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
        repository.git("commit", "--quiet", "--message", commit)

    moved(commits[0])
    repository.git("branch", "theirs")
    moved(commits[1])
    ours = repository.git("rev-parse", "HEAD")
    repository.git("symbolic-ref", "HEAD", "refs/heads/theirs")
    repository.git("read-tree", "HEAD")
    moved(commits[2])
    theirs = repository.git("rev-parse", "HEAD")
    merge = repository.git("commit-tree", "-m", "merge", "-p", ours, "-p", theirs, f"{ours}^{{tree}}")
    repository.git("branch", "merged", merge)
    code, figures = mined(tmp_path / "out", repository.path)
    counts = figures["counts"]
    assert (code, counts["merges"], counts["merge: conflicted"]) == (0, 1, 1)
    assert counts["file: a symbolic link or submodule on a side"] == 1
    assert counts["file: not a programming language"] == 1


def test_a_repository_that_vanishes_while_it_is_mined_is_named_and_the_others_go_on(
    good: Path, bad: Repository, tmp_path: Path
) -> None:
    settings = MiningSettings(tmp_path / "out")
    plan = planned([bad.path, good], settings)
    shutil.rmtree(bad.path)
    failures = [failure for block in plan.blocks if (failure := mine_block(block).failure)]
    assert [failure.partition(":")[0] for failure in failures] == ["owner/bad"]
    assert "was moved or deleted while it was mined" in failures[0]
    counts = joined(plan, settings).counts
    assert (counts["block: not mined"], counts["merges"]) == (1, 3)
    assert repositories_of(settings.out) == ["owner/good"] * 3


def test_a_git_that_is_too_old_is_one_sentence_and_not_a_run_of_merges_it_gives_up(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mergebert_data.history.repository, "git_version", lambda: (2, 37, 5))
    assert main(["mine", str(good), "-o", str(tmp_path / "out")]) == 2
    assert "git 2.37.5 cannot replay merges" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_git_that_goes_away_while_it_is_mined_is_said_and_ends_no_process(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    plan = planned([good], MiningSettings(tmp_path / "out"))
    monkeypatch.setenv("PATH", str(tmp_path))
    [result] = mined_blocks(plan.blocks, 1)
    assert result.failure == "owner/good: git is not installed, or not on the PATH."
    assert capfd.readouterr().err == ""


def test_a_repository_is_named_as_it_is_and_what_git_complains_of_is_said(
    good: Path, bad: Repository, tmp_path: Path
) -> None:
    named = good.rename(tmp_path / "$HOME")
    assert open_repository(named).git_dir == str(named / ".git")
    bad.write({".git/config": "[merge\n"})
    with pytest.raises(
        GitError, match=r"read the history of .*/owner\+bad: fatal: bad config line 1 in file "
    ):
        open_repository(bad.path)
