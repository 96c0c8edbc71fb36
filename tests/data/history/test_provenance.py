from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mergebert.text.history import PastVersions, SideChange
from mergebert_data.history.merges import MergeCommit
from mergebert_data.history.provenance import (
    UNREADABLE,
    UNRELATED,
    Author,
    Provenance,
    ProvenanceReader,
    author_of,
    message_of,
)
from mergebert_data.history.replay import ScratchRepository
from mergebert_data.history.repository import open_repository
from tests.conftest import Repository


class Asking:
    """ProvenanceReader of a repository's merges, asked for as soon as they are made."""

    def __init__(self, repository: Repository, place: Path) -> None:
        self.repository = repository
        self.place = place

    def told(
        self, merge: MergeCommit, *paths: str, expected: tuple[MergeCommit, ...] = ()
    ) -> tuple[Provenance | None, str]:
        with ScratchRepository(open_repository(self.repository.path), self.place) as scratch:
            provenances = ProvenanceReader(scratch)
            provenances.expect(expected)
            return provenances.of(merge, paths)


@pytest.fixture
def asking(repository: Repository, tmp_path: Path) -> Iterator[Asking]:
    (tmp_path / "scratch").mkdir()
    yield Asking(repository, tmp_path / "scratch")


def commit_by(repository: Repository, address: str, time: int, files: dict[str, str]) -> str:
    """A commit written by this address at this time."""
    repository.write(files)
    repository.git("add", "--all")
    author = (f"--author=Someone <{address}>", f"--date=@{time} +0000")
    repository.git("commit", "--quiet", "--allow-empty", "--message", f"at {time}", *author)
    return repository.git("rev-parse", "HEAD")


def merged(repository: Repository, message: str = "merge") -> MergeCommit:
    """The merge of `theirs` into `main`, ours taken where they conflict."""
    ours, theirs = repository.git("rev-parse", "main", "theirs").split("\n")
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--strategy-option=ours", "--message", message, "theirs")
    return MergeCommit(repository.git("rev-parse", "HEAD"), ours, theirs)


def test_how_each_side_changed_a_file(repository: Repository, asking: Asking) -> None:
    root = commit_by(repository, "a@x", 100, {"a.py": "1\n", "b.py": "1\n"})
    repository.git("branch", "theirs")
    commit_by(repository, "TEST@example.org", 200, {"a.py": "2\n"})
    commit_by(repository, "b@x", 300, {"a.py": "3\n", "c.py": "1\n"})
    commit_by(repository, "test@example.org", 400, {"c.py": "2\n"})
    repository.git("checkout", "--quiet", "theirs")
    commit_by(repository, "Test@Example.org", 500, {"a.py": "4\n", "b.py": "2\n"})
    merge = merged(repository, "Merge branch 'theirs' into main")
    found, _ = asking.told(merge, "a.py", "b.py", "none.py")
    assert found is not None
    assert found.base == root
    assert found.history.changes.get("a.py") == (SideChange(2, 300, False), SideChange(1, 500, True))
    assert found.history.changes.get("b.py") == (SideChange(), SideChange(1, 500, True))
    assert found.history.changes["none.py"] == (SideChange(), SideChange())
    context = found.context
    assert (context.base_time, context.ours_time, context.theirs_time) == (100, 400, 500)
    assert (context.ours_commits, context.theirs_commits) == (3, 1)
    assert (context.ours_is_merger, context.theirs_is_merger) == (True, True)
    assert (context.ours_branch, context.theirs_branch) == ("main", "theirs")


def test_the_texts_that_a_file_had_on_each_side(repository: Repository, asking: Asking) -> None:
    commit_by(repository, "a@x", 100, {"a.py": "1\n"})
    repository.git("branch", "theirs")
    for number in (2, 3):
        commit_by(repository, "a@x", 100 * number, {"a.py": f"{number}\n"})
    repository.git("checkout", "--quiet", "theirs")
    commit_by(repository, "a@x", 400, {"a.py": "4\n"})
    found, _ = asking.told(merged(repository), "a.py")
    assert found is not None
    assert found.history.past["a.py"] == PastVersions(("3\n", "2\n"), ("4\n",))


def test_the_base_is_the_one_git_names_first(repository: Repository, asking: Asking) -> None:
    repository.diverge({"a.py": "1\n"}, {"b.py": "1\n"}, {"c.py": "1\n"})
    ours, theirs = repository.git("rev-parse", "main", "theirs").split("\n")
    tree = repository.git("rev-parse", "main^{tree}")
    crossed = [
        repository.git("commit-tree", "-m", "x", "-p", first, "-p", second, tree)
        for first, second in ((ours, theirs), (theirs, ours))
    ]
    criss_cross = MergeCommit(repository.git("commit-tree", "-m", "x", *_parents(crossed), tree), *crossed)
    simple = MergeCommit(crossed[0], ours, theirs)
    lost = MergeCommit("1" * 40, "2" * 40, "3" * 40)
    for merge in (criss_cross, simple):
        expected = repository.git("merge-base", merge.ours, merge.theirs).split("\n")[0]
        for others in ((), (simple, criss_cross), (lost, criss_cross, simple)):
            found, _ = asking.told(merge, expected=others)
            assert found is not None
            assert found.base == expected
    assert asking.told(lost, expected=(simple, lost))[1] == UNREADABLE


def _parents(commits: list[str]) -> list[str]:
    return [part for commit in commits for part in ("-p", commit)]


def test_merges_of_nothing_shared_have_no_base(repository: Repository, asking: Asking) -> None:
    ours = repository.commit("ours", {"a.py": "1\n"})
    repository.git("checkout", "--quiet", "--orphan", "theirs")
    theirs = repository.commit("theirs", {"b.py": "1\n"})
    assert asking.told(MergeCommit(ours, ours, theirs), "a.py") == (None, UNRELATED)


def test_a_lost_commit_on_a_side_is_told(repository: Repository, asking: Asking) -> None:
    repository.diverge({"a.py": "1\n"}, {"a.py": "2\n"}, {"a.py": "3\n"})
    merge = merged(repository)
    (repository.path / ".git" / "objects" / merge.commit[:2] / merge.commit[2:]).unlink()
    repository.git("update-ref", "refs/heads/main", merge.ours)
    assert asking.told(merge, "a.py") == (None, UNREADABLE)


@pytest.mark.parametrize(
    ("line", "author"),
    [
        (b"author A B <A@X.org> 12 +0100", Author("a@x.org", 12)),
        (b"author A <> -5 +0000", Author("", -5)),
        (b"author A <\xff@x> 7 +0000", Author("\ufffd@x", 7)),
        (b"author A <a@x> 99999999999999999999 +0000", None),
        (b"author nobody", None),
    ],
)
def test_the_author_of_a_commit(line: bytes, author: Author | None) -> None:
    assert author_of(b"tree x\n" + line + b"\ncommitter B <b@x> 3 +0000\n\nmessage\n") == author


def test_a_message_is_read_in_its_encoding() -> None:
    assert message_of(b"tree x\n\nM\xc3\xa9\n") == "Mé\n"
    assert message_of(b"tree x\nencoding ISO-8859-1\n\nM\xe9\n") == "Mé\n"
    assert message_of(b"tree x\nencoding no-such\n\nM\xe9\n") == "M\ufffd\n"
