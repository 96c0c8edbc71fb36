from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mergebert.errors import GitError
from mergebert_data.history import Merge, merges, open_source, repository_name, sampled
from tests.conftest import Repository


def merge_commit(repository: Repository, *parents: str) -> str:
    """A commit with these parents, on a branch of its own."""
    options = [part for parent in parents for part in ("-p", parent)]
    commit = repository.git("commit-tree", "-m", "merge", *options, "HEAD^{tree}")
    repository.git("branch", f"at-{commit[:12]}", commit)
    return commit


@pytest.fixture
def branches(repository: Repository) -> tuple[Repository, str, str, str]:
    """A repository with three branches off one commit: first, second, third."""
    repository.commit("base", {"a.py": "a\n"})
    tips = []
    for name in ("first", "second", "third"):
        repository.git("checkout", "--quiet", "-b", name, "main")
        tips.append(repository.commit(name, {f"{name}.py": "x\n"}))
    return repository, *tips


def test_merges_of_two_parents_over_all_refs(branches: tuple[Repository, str, str, str]) -> None:
    repository, first, second, third = branches
    two = merge_commit(repository, first, second)
    other = merge_commit(repository, third, first)
    merge_commit(repository, first, second, third)
    found = merges(open_source(repository.path))
    assert set(found) == {Merge(two, first, second), Merge(other, third, first)}


def test_a_sample_does_not_depend_on_the_order() -> None:
    found = [Merge(f"{number:040x}", "a", "b") for number in range(100)]
    some = sampled(found, 10, "0 a/b")
    assert len(some) == 10
    assert sorted(sampled(found[::-1], 10, "0 a/b"), key=str) == sorted(some, key=str)
    assert sampled(found, 10, "1 a/b") != some
    assert sampled(found, 100, "0 a/b") == found


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.org/owner/name.git", "owner/name"),
        ("https://example.org/owner/name", "owner/name"),
        ("git@example.org:owner/some.name.git", "owner/some.name"),
        ("ssh://git@example.org:22/owner/name/", "owner/name"),
        ("/somewhere/else/name", "repository"),
    ],
)
def test_the_name_comes_from_the_origin(repository: Repository, url: str, name: str) -> None:
    repository.git("remote", "add", "origin", url)
    assert repository_name(repository.path, repository.path / ".git") == name


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("owner+name/repo", "owner/name"),
        ("owner+name", "owner/name"),
        ("x/name.git", "name"),
        ("name", "name"),
    ],
)
def test_the_name_comes_from_the_folders(
    make_repository: Callable[..., Repository], folder: str, name: str
) -> None:
    bare = make_repository(folder, bare=True).path
    assert repository_name(bare, bare) == name


def test_forks_are_of_one_family_and_others_are_not(
    branches: tuple[Repository, str, str, str], make_repository: Callable[..., Repository]
) -> None:
    repository = branches[0]
    fork = repository.path.parent / "fork"
    repository.git("clone", "--quiet", str(repository.path), str(fork))
    Repository(fork).commit("more", {"more.py": "more\n"})
    stranger = make_repository("stranger")
    stranger.commit("begin", {"begin.py": "begin\n"})
    families = [open_source(path).family for path in (repository.path, fork, stranger.path)]
    assert families[0] == families[1] != families[2]


def test_what_cannot_be_mined_says_why(branches: tuple[Repository, str, str, str], tmp_path: Path) -> None:
    with pytest.raises(GitError, match="not a git repository"):
        open_source(tmp_path / "nowhere")
    shallow = tmp_path / "shallow"
    url = branches[0].path.as_uri()
    branches[0].git("clone", "--quiet", "--depth=1", url, str(shallow))
    with pytest.raises(GitError, match="shallow clone"):
        open_source(shallow)
    branches[0].git("init", "--quiet", "--object-format=sha256", str(tmp_path / "long"))
    with pytest.raises(GitError, match="SHA-256"):
        open_source(tmp_path / "long")


def test_a_damaged_history_is_an_explained_error(branches: tuple[Repository, str, str, str]) -> None:
    repository, first, _, _ = branches
    (repository.path / ".git" / "objects" / first[:2] / first[2:]).unlink()
    with pytest.raises(GitError, match="git cannot read the history"):
        open_source(repository.path)
