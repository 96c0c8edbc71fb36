from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from git.cmd import Git

from mergebert.errors import GitError
from mergebert.text.threeway import ThreeWay
from mergebert_data.history.merges import MergeCommit, merge_listing
from mergebert_data.history.replay import ConflictedFile, ScratchRepository, Stage, parsed_conflicts
from mergebert_data.history.repository import open_repository
from tests.conftest import Repository

BASE, OURS, THEIRS = "one\ntwo\nthree\n", "one\nTWO\nthree\n", "one\n2\nthree\n"


@pytest.fixture(autouse=True, params=["the git at hand", "a git that merges one pair a process"])
def version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "the git at hand":
        monkeypatch.setattr(Git, "version_info", (2, 38, 5))


@contextmanager
def scratch_of(repository: Repository) -> Iterator[ScratchRepository]:
    place = repository.path.parent / "scratch"
    place.mkdir(exist_ok=True)
    with ScratchRepository(open_repository(repository.path), place) as scratch:
        yield scratch
    assert list(place.iterdir()) == []


def resolved_merge(repository: Repository, files: dict[str, str | bytes]) -> MergeCommit:
    """The merge of `theirs` into the current branch, resolved to these files."""
    ours, theirs = repository.git("rev-parse", "HEAD", "theirs").split("\n")
    repository.run("merge", "--quiet", "theirs")
    return MergeCommit(repository.commit("merge", files), ours, theirs)


def objects_of(repository: Repository) -> set[Path]:
    return {path for path in (repository.path / ".git" / "objects").rglob("*") if path.is_file()}


def test_a_conflict_is_found_and_the_repository_is_left_alone(repository: Repository) -> None:
    names = ("a b/é.py", "plain.py")
    repository.diverge(*(dict.fromkeys(names, text) for text in (BASE, OURS, THEIRS)))
    merge = resolved_merge(repository, dict.fromkeys(names, OURS))
    before = objects_of(repository)
    with scratch_of(repository) as scratch:
        (replay,) = scratch.replayed(merge_listing(open_repository(repository.path)).merges)
        assert replay.merge == merge
        assert [file.path for file in replay.conflicts or ()] == list(names)
        blobs = (replay.conflicts or ())[0].blobs
        assert blobs is not None
        assert scratch.contents(blobs) == [text.encode() for text in (BASE, OURS, THEIRS)]
        assert scratch.contents([f"{merge.commit}:{names[0]}"])[0] == OURS.encode()
        assert scratch.contents([f"{merge.commit}:no such file"])[0] is None
    assert objects_of(repository) == before
    assert repository.git("status", "--porcelain") == ""


def test_the_merge_driver_of_a_repository_is_never_run(repository: Repository) -> None:
    trap = repository.path.parent / "trap"
    repository.git("config", "merge.trap.driver", f"touch '{trap}'")
    repository.git("config", "merge.default", "trap")
    attributes = {".gitattributes": "* merge=trap\n"}
    repository.diverge({"a.py": BASE} | attributes, {"a.py": OURS}, {"a.py": THEIRS})
    resolved_merge(repository, {"a.py": OURS})
    trap.unlink()
    with scratch_of(repository) as scratch:
        (replay,) = scratch.replayed(merge_listing(open_repository(repository.path)).merges)
        assert replay.conflicts
    assert not trap.exists()


def test_deleted_on_one_side_is_no_three_way_conflict(repository: Repository) -> None:
    repository.diverge({"a.py": BASE, "b.py": "b\n"}, {"a.py": OURS}, {"b.py": "c\n"})
    repository.git("checkout", "--quiet", "theirs")
    repository.git("rm", "--quiet", "a.py")
    repository.git("commit", "--quiet", "--message", "delete")
    repository.git("checkout", "--quiet", "main")
    resolved_merge(repository, {"a.py": OURS})
    with scratch_of(repository) as scratch:
        (replay,) = scratch.replayed(merge_listing(open_repository(repository.path)).merges)
    (file,) = replay.conflicts or ()
    assert file.stages.theirs is None
    assert file.blobs is None


def test_a_merge_git_gives_up_does_not_stop_the_others(repository: Repository) -> None:
    repository.diverge({"a.py": BASE}, {"a.py": OURS}, {"a.py": THEIRS})
    good = resolved_merge(repository, {"a.py": OURS})
    missing = MergeCommit("0" * 40, "1" * 40, "2" * 40)
    with scratch_of(repository) as scratch:
        replays = list(scratch.replayed([good, missing, good, missing]))
    assert [replay.merge for replay in replays] == [good, missing, good, missing]
    assert [replay.conflicts is None for replay in replays] == [False, True, False, True]


def test_a_criss_cross_merge_is_replayed(repository: Repository) -> None:
    repository.diverge({"a.py": BASE}, {"a.py": OURS}, {"a.py": THEIRS})
    resolved_merge(repository, {"a.py": OURS})
    repository.git("checkout", "--quiet", "theirs")
    repository.run("merge", "--quiet", "main~1")
    repository.commit("other way", {"a.py": THEIRS})
    repository.git("checkout", "--quiet", "main")
    last = resolved_merge(repository, {"a.py": "one\nTWO\n2\nthree\n"})
    assert len(repository.git("merge-base", "--all", last.ours, last.theirs).split("\n")) == 2
    with scratch_of(repository) as scratch:
        (replay,) = scratch.replayed([last])
        (file,) = replay.conflicts or ()
        assert file.blobs is not None
        assert b"<<<<<<<<<" in (scratch.contents([file.blobs.base])[0] or b"")


@pytest.mark.parametrize("cut_off", [0, 1])
def test_an_answer_is_read_as_far_as_it_is_whole(cut_off: int) -> None:
    mode, blob = "100644", "b" * 40
    entries = [f"{mode} {blob} {stage}\tx/y.py".encode() for stage in (1, 2, 3)]
    answer = b"\0".join([b"1", b"tree", b"", b"0", b"tree", *entries, b"", b""])
    stage = Stage(mode, blob)
    file = ConflictedFile("x/y.py", ThreeWay(stage, stage, stage))
    found = list(parsed_conflicts(answer if not cut_off else answer[:-10]))
    assert found == [(), (file,)][: 2 - cut_off]
    assert list(parsed_conflicts(b"")) == []


def test_what_a_commit_has_at_a_path(repository: Repository) -> None:
    commit = repository.commit("begin", {"a*.py": BASE, "ab.py": OURS, "x/run": THEIRS})
    (repository.path / "x" / "run").chmod(0o755)
    (repository.path / "link").symlink_to("a*.py")
    commit = repository.commit("more")
    blob = repository.git("rev-parse", "HEAD:a*.py")
    with scratch_of(repository) as scratch:
        assert scratch.entry(commit, "a*.py") == Stage("100644", blob)
        assert [(scratch.entry(commit, path) or Stage("", "")).mode for path in ("x/run", "link", "x")] == [
            "100755",
            "120000",
            "040000",
        ]
        assert scratch.entry(commit, "no") is None
        with pytest.raises(GitError, match="run git fsck"):
            scratch.entry("1" * 40, "a*.py")


def test_what_git_gives_up_when_the_repository_is_gone_is_no_merge_it_gave_up(repository: Repository) -> None:
    repository.diverge({"a.py": BASE}, {"a.py": OURS}, {"a.py": THEIRS})
    merge = resolved_merge(repository, {"a.py": OURS})
    with scratch_of(repository) as scratch:
        shutil.rmtree(repository.path)
        with pytest.raises(GitError, match="bring it back and mine again"):
            list(scratch.replayed([merge]))


def test_a_version_that_is_missing_is_a_merge_git_gives_up(repository: Repository) -> None:
    repository.diverge({"a.py": BASE}, {"a.py": OURS}, {"a.py": THEIRS})
    merge = resolved_merge(repository, {"a.py": OURS})
    blob = repository.git("rev-parse", f"{merge.theirs}:a.py")
    (repository.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with scratch_of(repository) as scratch:
        (replay,) = scratch.replayed([merge])
    assert replay.conflicts is None


def test_paths_of_any_bytes_are_told_apart(repository: Repository) -> None:
    names = ("line\nbreak.py", 'tab\t"quoted".py', "latin\udce9.py")
    repository.diverge(*(dict.fromkeys(names, text) for text in (BASE, OURS, THEIRS)))
    resolved_merge(repository, dict.fromkeys(names, OURS))
    with scratch_of(repository) as scratch:
        (replay,) = scratch.replayed(merge_listing(open_repository(repository.path)).merges)
    assert {file.path for file in replay.conflicts or ()} == set(names)
