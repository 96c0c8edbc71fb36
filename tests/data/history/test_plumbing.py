from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mergebert.errors import GitError
from mergebert_data.history import plumbing
from mergebert_data.history.plumbing import (
    Objects,
    TreeDiff,
    TreeDiffs,
    environment_of,
    git_result,
    tree_diff,
)
from tests.conftest import Repository


@pytest.fixture
def objects(repository: Repository) -> Iterator[Objects]:
    reading = Objects(environment_of(repository.path / ".git"))
    yield reading
    reading.close()


@pytest.fixture
def diffs(repository: Repository) -> Iterator[TreeDiffs]:
    telling = TreeDiffs(environment_of(repository.path / ".git"))
    yield telling
    telling.close()


def loose(repository: Repository, name: str) -> Path:
    path = repository.path / ".git" / "objects" / name[:2] / name[2:]
    path.chmod(0o644)
    return path


def test_objects_are_read_by_name_and_kind(repository: Repository, objects: Objects) -> None:
    commit = repository.commit("one", {"a b/é.py": "x\n", "empty.py": ""})
    blob = repository.git("rev-parse", "HEAD:a b/é.py")
    names = [
        blob,
        f"{commit}:a b/é.py",
        f"{commit}:empty.py",
        f"{commit}:no missing 5",
        "1" * 40,
        f"{commit}:a b",
        commit,
    ]
    assert objects.read(names) == [b"x\n", b"x\n", b"", None, None, None, None]
    assert (objects.read([commit], kind="commit")[0] or b"").endswith(b"\n\none\n")
    assert objects.read([]) == []


def test_more_names_than_a_pipe_holds(repository: Repository, objects: Objects) -> None:
    commit = repository.commit("one", {"a.py": "x" * 200_000})
    names = [f"{commit}:a.py", f"{commit}:{'b' * 300}"] * 100
    assert [content and len(content) for content in objects.read(names)] == [200_000, None] * 100


def test_a_large_object_is_cut_off(repository: Repository, objects: Objects) -> None:
    repository.commit("one", {"a.py": "xy" * 2_000_000, "b.py": "z\n"})
    names = ["HEAD:a.py", "HEAD:b.py"]
    assert objects.read(names, largest=3) == [b"xyxy", b"z\n"]
    assert objects.read(names[1:], largest=1) == [b"z\n"]


def test_a_name_with_a_line_break_is_refused(objects: Objects) -> None:
    with pytest.raises(ValueError, match="line break"):
        objects.read(["HEAD:a\nb"])


def test_damaged_objects_do_not_stop_the_others(repository: Repository, objects: Objects) -> None:
    repository.commit("one", {f"{name}.py": f"{name} {'long ' * 9000}\n" for name in "abcd"})
    names = {name: repository.git("rev-parse", f"HEAD:{name}.py") for name in "abcd"}
    path = loose(repository, names["a"])
    path.write_bytes(bytes(len(path.read_bytes())))
    path = loose(repository, names["b"])
    path.write_bytes(path.read_bytes()[:60])
    loose(repository, names["c"]).unlink()
    read = objects.read([names[name] for name in "abcdabcd"])
    assert [content is not None for content in read] == [False, False, False, True] * 2


def test_a_truncated_pack_gives_what_it_still_holds(repository: Repository, objects: Objects) -> None:
    repository.commit("one", {"a.py": "a\n"})
    name = repository.git("rev-parse", "HEAD:a.py")
    repository.git("gc", "--quiet")
    (pack,) = (repository.path / ".git" / "objects" / "pack").glob("*.pack")
    pack.chmod(0o644)
    pack.write_bytes(pack.read_bytes()[:20])
    assert objects.read([name, name]) == [None, None]


def test_what_commits_changed(repository: Repository, diffs: TreeDiffs) -> None:
    first = repository.commit("one", {"a.py": "a\n", "b.py": "b\n"})
    author = ("--author=Other <Other@Example.org>", "--date=@1577836800 +0000")
    repository.write({"a.py": "A\n", "x\ny.py": "new\n"})
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message=two", *author)
    second = repository.git("rev-parse", "HEAD")
    empty = repository.commit("nothing")
    told = diffs.of([second, empty, "1" * 40, second])
    assert told[0] == told[3]
    assert told[1:3] == [None, None]
    assert told[0] is not None
    assert (told[0].author, told[0].time) == ("other@example.org", 1577836800)
    assert sorted(told[0].changes) == ["a.py", "x\ny.py"]
    trees = [repository.git("rev-parse", f"{commit}^{{tree}}") for commit in (first, second)]
    (between,) = diffs.of([" ".join(trees)])
    blobs = [repository.git("rev-parse", f"{commit}:a.py") for commit in (first, second)]
    assert between is not None
    assert between.changes["a.py"] == f"100644 100644 {blobs[0]} {blobs[1]} M"
    assert diffs.of([f"{trees[0]} {trees[0]}"]) == [TreeDiff("", 0, {})]


def test_a_merge_commit_changes_nothing_of_its_own(repository: Repository, diffs: TreeDiffs) -> None:
    repository.diverge({"a.py": "a\n"}, {"b.py": "b\n"}, {"c.py": "c\n"})
    repository.git("merge", "--quiet", "--no-edit", "theirs")
    assert diffs.of([repository.git("rev-parse", "HEAD")]) == [None]


def test_a_lost_tree_does_not_stop_the_others(repository: Repository, diffs: TreeDiffs) -> None:
    commits = [repository.commit(f"{number}", {"a.py": f"{number}\n"}) for number in range(4)]
    loose(repository, repository.git("rev-parse", f"{commits[2]}^{{tree}}")).unlink()
    assert [diff is not None for diff in diffs.of(commits[1:] + commits[1:2])] == [True, False, False, True]


def test_a_time_beyond_64_bits_is_no_time() -> None:
    change = b":100644 100644 1 2 M\0a.py\0"
    assert tree_diff(b"\x01" + b"9" * 30 + b" a@b\0\n" + change) is None
    assert tree_diff(b"\x01-5 A@b\0\n" + change) == TreeDiff("a@b", -5, {"a.py": "100644 100644 1 2 M"})


def test_an_answer_has_its_exit_status(repository: Repository) -> None:
    environment = environment_of(repository.path / ".git")
    assert git_result(environment, "hash-object", "--stdin", stdin=b"x").output.startswith(b"c1b0730e0133")
    assert git_result(environment, "cat-file", "-e", "1" * 40).status == 1


def test_no_git_is_an_explained_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plumbing, "GIT", str(tmp_path / "git"))
    with pytest.raises(GitError, match="install git"):
        git_result(environment_of(tmp_path), "version")
