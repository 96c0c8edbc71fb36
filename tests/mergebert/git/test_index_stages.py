from __future__ import annotations

from pathlib import Path

import pytest

from mergebert.errors import GitError
from mergebert.git import index_stages
from mergebert.git.index_stages import (
    git_folder,
    marker_size_of,
    repository_root,
    stage_texts,
    unmerged_file,
)
from mergebert.text.threeway import ThreeWay


def stages_of(path: Path) -> ThreeWay[str] | None:
    """The versions of a conflicted file as those who read work files get them."""
    file = unmerged_file(path)
    return stage_texts(file.entries, file.name, file.root) if file else None


def test_the_three_versions_of_a_conflict(conflicted_repository) -> None:
    repository = conflicted_repository
    assert stages_of(repository.path / "app.py") is None
    assert repository.run("merge", "theirs").returncode == 1
    found = stages_of(repository.path / "app.py")
    assert found is not None
    assert found.map(lambda text: text.split("\n")[1].strip()) == ThreeWay(
        "return sum(items)", "return sum(items, start=0)", "return sum(values)"
    )


def test_names_that_git_would_quote(repository) -> None:
    name = 'sub folder/"é*.py'
    repository.diverge({name: "a\n"}, {name: "b\n"}, {name: "c\n"})
    assert repository.run("merge", "theirs").returncode == 1
    assert stages_of(repository.path / name) == ThreeWay("a\n", "b\n", "c\n")


def test_the_base_of_a_file_both_added_is_empty(repository) -> None:
    repository.diverge({"x": "x\n"}, {"new.py": "b\n"}, {"new.py": "c\n"})
    assert repository.run("merge", "theirs").returncode == 1
    assert stages_of(repository.path / "new.py") == ThreeWay("", "b\n", "c\n")


def test_a_deleted_side_is_no_three_way_conflict(repository) -> None:
    repository.diverge({"x": "x\n", "a": "a\n"}, {"a": "b\n"}, {"a": "c\n"})
    repository.git("rm", "--quiet", "a")
    repository.git("commit", "--quiet", "--message", "gone")
    assert repository.run("merge", "theirs").returncode == 1
    assert stages_of(repository.path / "a") is None


def test_links_and_binary_files_are_left_to_git(repository) -> None:
    repository.diverge({"b": b"a\0"}, {"b": b"b\0"}, {"b": b"c\0"})
    assert repository.run("merge", "theirs").returncode == 1
    assert stages_of(repository.path / "b") is None


def test_the_versions_have_the_line_ends_of_the_work_tree(repository) -> None:
    repository.write({".gitattributes": "*.txt text eol=crlf\n"})
    repository.diverge({"a.txt": "a\r\n"}, {"a.txt": "b\r\n"}, {"a.txt": "c\r\n"})
    assert repository.run("merge", "theirs").returncode == 1
    assert stages_of(repository.path / "a.txt") == ThreeWay("a\r\n", "b\r\n", "c\r\n")


def test_in_a_rebase_ours_is_what_is_built_on(conflicted_repository) -> None:
    repository = conflicted_repository
    assert repository.run("rebase", "theirs").returncode == 1
    found = stages_of(repository.path / "app.py")
    assert found is not None
    assert "values" in found.ours


def test_outside_of_a_repository_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "file").write_text("text", encoding="utf-8")
    assert repository_root(tmp_path) is None
    assert git_folder(tmp_path) is None
    assert stages_of(tmp_path / "file") is None


@pytest.mark.parametrize("ask", [repository_root, git_folder, unmerged_file])
def test_a_repository_that_git_cannot_read_is_not_outside_of_one(ask, repository) -> None:
    repository.write({".git/config": "[merge\n"})
    with pytest.raises(GitError, match=r"bad config line 1 in file \.git/config"):
        ask(repository.path / "file")


def test_a_bare_repository_has_no_work_tree(make_repository) -> None:
    bare = make_repository(bare=True).path
    assert repository_root(bare) is None
    assert git_folder(bare) == bare


def test_the_folders_of_a_repository(repository) -> None:
    repository.write({"deep/er/file": "text"})
    assert repository_root(repository.path / "deep" / "er" / "file") == repository.path
    assert git_folder(repository.path / "deep") == repository.path / ".git"


def test_the_length_of_markers_is_an_attribute(repository) -> None:
    repository.write({".gitattributes": "*.rs conflict-marker-size=15\n*.c conflict-marker-size=x\n"})
    found = {
        name: marker_size_of(name, repository.path) for name in ("a.rs", "b/\udce9 \n.rs", "a.c", "a.py")
    }
    assert list(found.values()) == [15, 15, None, None]


@pytest.mark.parametrize(
    ("given", "size"), [("15", 15), ("999999", 999_999), ("5000000000", None), ("9" * 5000, None)]
)
def test_markers_that_nobody_reads_have_no_size(repository, given: str, size: int | None) -> None:
    repository.write({".gitattributes": f"* conflict-marker-size={given}\n"})
    assert marker_size_of("a.py", repository.path) == size


@pytest.mark.parametrize("stage", range(3))
def test_a_version_larger_than_texts_are_is_not_read(
    stage: int, repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small file with markers can stand in the place of versions that fill memory."""
    monkeypatch.setattr(index_stages, "LARGEST_TEXT", 99)
    texts = ["a\n", "b\n", "c\n"]
    texts[stage] += "x" * 100
    repository.diverge(*({"a.py": text} for text in texts))
    assert repository.run("merge", "theirs").returncode == 1
    assert stages_of(repository.path / "a.py") is None


def test_nor_is_one_that_grows_in_the_work_tree(repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_stages, "LARGEST_TEXT", 99)
    repository.commit("attributes", {".gitattributes": "* ident\n"})
    repository.diverge(*({"a.py": f"{at}\n" + "$Id$\n" * 3} for at in range(3)))
    assert repository.run("merge", "theirs").returncode == 1
    assert stages_of(repository.path / "a.py") is None
