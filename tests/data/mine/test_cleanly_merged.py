from __future__ import annotations

from pathlib import Path

from mergebert.text.threeway import ThreeWay
from mergebert_data.history.merges import MergeCommit
from mergebert_data.history.replay import ConflictedFile, ScratchRepository, Stage
from mergebert_data.history.repository import open_repository
from mergebert_data.mine.cleanly_merged import (
    ONE_IN_CONFLICTED,
    ONE_IN_OTHERS,
    clean_files,
    in_drawn_order,
    is_drawn,
)
from tests.conftest import Repository

MERGES = [MergeCommit(f"{number:040x}", "a", "b") for number in range(3000)]


def test_the_files_both_sides_changed_to_something_else(repository: Repository, tmp_path: Path) -> None:
    base = {
        f"{name}.py": f"{name}\n"
        for name in ("both", "same", "ours", "theirs", "gone", "link", "line\nbreak")
    }
    repository.commit("base", base)
    repository.git("branch", "theirs")
    repository.commit(
        "ours", {"both.py": "o\n", "same.py": "s\n", "ours.py": "o\n", "gone.py": "o\n", "link.py": "o\n"}
    )
    repository.commit("more", {"line\nbreak.py": "o\n", "added.py": "o\n"})
    repository.git("checkout", "--quiet", "theirs")
    for name in ("gone.py", "link.py"):
        (repository.path / name).unlink()
    (repository.path / "link.py").symlink_to("both.py")
    both = {
        "both.py": "t\n",
        "same.py": "s\n",
        "theirs.py": "t\n",
        "line\nbreak.py": "t\n",
        "added.py": "t\n",
    }
    repository.commit("theirs", both)
    ours, theirs, root = repository.git("rev-parse", "main", "theirs", "main~2").split("\n")
    place = tmp_path / "scratch"
    place.mkdir()
    with ScratchRepository(open_repository(repository.path), place) as scratch:
        found = clean_files(scratch, MergeCommit("", ours, theirs), root)
        assert clean_files(scratch, MergeCommit("", ours, "1" * 40), root) == []
        assert clean_files(scratch, MergeCommit("", root, theirs), root) == []
    assert [file.path for file in found] == ["both.py", "line\nbreak.py"]
    names = [repository.git("rev-parse", f"{commit}:both.py") for commit in (root, ours, theirs)]
    assert found[0].blobs == ThreeWay(*names)


def test_merges_are_drawn_in_their_shares_and_the_same_every_time() -> None:
    for is_conflicted, one_in in ((True, ONE_IN_CONFLICTED), (False, ONE_IN_OTHERS)):
        drawn = [is_drawn(0, merge, is_conflicted) for merge in MERGES]
        assert 0.7 < sum(drawn) * one_in / len(MERGES) < 1.3
        assert drawn == [is_drawn(0, merge, is_conflicted) for merge in MERGES]
        assert drawn != [is_drawn(1, merge, is_conflicted) for merge in MERGES]


def test_files_are_drawn_in_an_order_of_their_merge_alone() -> None:
    stage = Stage("100644", "a")
    files = [ConflictedFile(f"{number}\udce9.py", ThreeWay(stage, stage, stage)) for number in range(20)]
    order = in_drawn_order(files, 0, MERGES[0])
    assert sorted(order, key=str) == sorted(files, key=str)
    assert order == in_drawn_order(files[::-1], 0, MERGES[0])
    assert order != in_drawn_order(files, 1, MERGES[0])
    assert order != in_drawn_order(files, 0, MERGES[1])
