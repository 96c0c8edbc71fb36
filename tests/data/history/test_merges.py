from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mergebert.errors import GitError
from mergebert_data.history.merges import MergeCommit, MergeListing, merge_listing, sampled
from mergebert_data.history.replay import ScratchRepository
from mergebert_data.history.repository import (
    default_name,
    open_repository,
    shallow_commits,
    with_commit_graph,
)
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
    found = merge_listing(open_repository(repository.path))
    assert set(found.merges) == {MergeCommit(two, first, second), MergeCommit(other, third, first)}
    assert found.skipped == {"merge: of more than two parents": 1}
    assert merge_listing(open_repository(repository.path), limit=1).merges[0] in found.merges


def test_a_sample_does_not_depend_on_the_order() -> None:
    found = [MergeCommit(f"{number:040x}", "a", "b") for number in range(100)]
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
    assert default_name(repository.path, repository.path / ".git") == name


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("owner+name/repo", "owner/name"),
        ("owner+name", "owner/name"),
        ("owner+name.git", "owner/name"),
        ("owner+name/.git", "owner/name"),
        ("plain/.git", "plain"),
        ("group+sub+name", "group/sub/name"),
        ("owner+na%2Bme", "owner/na+me"),
        ("lib++", "lib++"),
        ("x/name.git", "name"),
        ("name", "name"),
    ],
)
def test_the_name_comes_from_the_folders(
    make_repository: Callable[..., Repository], folder: str, name: str
) -> None:
    bare = make_repository(folder, bare=True).path
    assert default_name(bare, bare) == name


def test_forks_are_of_one_family_and_others_are_not(
    branches: tuple[Repository, str, str, str], make_repository: Callable[..., Repository]
) -> None:
    repository = branches[0]
    fork = repository.path.parent / "fork"
    repository.git("clone", "--quiet", str(repository.path), str(fork))
    Repository(fork).commit("more", {"more.py": "more\n"})
    stranger = make_repository("stranger")
    stranger.commit("begin", {"begin.py": "begin\n"})
    families = [open_repository(path).family for path in (repository.path, fork, stranger.path)]
    assert families[0] == families[1] != families[2]


def test_what_cannot_be_mined_says_why(branches: tuple[Repository, str, str, str], tmp_path: Path) -> None:
    with pytest.raises(GitError, match="not a git repository"):
        open_repository(tmp_path / "nowhere")
    branches[0].git("init", "--quiet", "--object-format=sha256", str(tmp_path / "long"))
    with pytest.raises(GitError, match="SHA-256"):
        open_repository(tmp_path / "long")


def test_a_damaged_history_is_an_explained_error(branches: tuple[Repository, str, str, str]) -> None:
    repository, first, _, _ = branches
    (repository.path / ".git" / "objects" / first[:2] / first[2:]).unlink()
    with pytest.raises(GitError, match="git cannot read the history"):
        open_repository(repository.path)


def history_of_merges(repository: Repository, count: int) -> list[MergeCommit]:
    """Merges one after the other, each of two commits off the one before, the oldest first."""
    repository.commit("base", {"a.py": "a\n"})
    made = []
    for number in range(count):
        repository.git("checkout", "--quiet", "-B", "theirs", "main")
        theirs = repository.commit("theirs", {f"t{number}.py": "t\n"})
        repository.git("checkout", "--quiet", "main")
        ours = repository.commit("ours", {f"o{number}.py": "o\n"})
        repository.git("merge", "--quiet", "--no-edit", theirs)
        made.append(MergeCommit(repository.git("rev-parse", "HEAD"), ours, theirs))
    repository.git("branch", "--quiet", "-D", "theirs")
    return made


def test_of_a_shallow_clone_only_whole_merges_are_listed(repository: Repository, tmp_path: Path) -> None:
    made = history_of_merges(repository, 4)
    shallow = tmp_path / "shallow"
    repository.git("clone", "--quiet", "--bare", "--depth=4", repository.path.as_uri(), str(shallow))
    source = open_repository(shallow)
    assert len(shallow_commits(source)) > 0
    assert with_commit_graph(source, tmp_path).graph == ""
    found = merge_listing(source)
    assert found.merges == [made[3]]
    assert found.skipped == {"merge: cut off by a shallow clone": 1}
    (tmp_path / "scratch").mkdir()
    with ScratchRepository(source, tmp_path / "scratch") as scratch:
        assert [replay.conflicts for replay in scratch.replayed(found.merges)] == [()]
    assert merge_listing(open_repository(repository.path)) == MergeListing(made[::-1], {})


def test_a_history_without_merges_or_without_anything(repository: Repository, tmp_path: Path) -> None:
    assert merge_listing(open_repository(repository.path)) == MergeListing([], {})
    assert with_commit_graph(open_repository(repository.path), tmp_path).graph == ""
    repository.commit("one", {"a.py": "a\n"})
    repository.commit("two", {"a.py": "b\n"})
    assert merge_listing(open_repository(repository.path)) == MergeListing([], {})


def test_histories_that_share_nothing_are_listed(repository: Repository) -> None:
    ours = repository.commit("ours", {"a.py": "a\n"})
    repository.git("checkout", "--quiet", "--orphan", "theirs")
    theirs = repository.commit("theirs", {"b.py": "b\n"})
    merge = merge_commit(repository, ours, theirs)
    source = open_repository(repository.path)
    assert merge_listing(source) == MergeListing([MergeCommit(merge, ours, theirs)], {})
    assert source.family == min(ours, theirs)


def test_grafts_and_replacements_change_nothing(branches: tuple[Repository, str, str, str]) -> None:
    repository, first, second, third = branches
    merge = merge_commit(repository, first, second)
    (repository.path / ".git" / "info").mkdir(exist_ok=True)
    (repository.path / ".git" / "info" / "grafts").write_text(f"{merge} {first} {third}\n", encoding="ascii")
    repository.git("replace", "--graft", third, first, second)
    assert merge_listing(open_repository(repository.path)).merges == [MergeCommit(merge, first, second)]


def test_a_commit_graph_is_made_beside_the_repository_and_used(
    repository: Repository, tmp_path: Path
) -> None:
    made = history_of_merges(repository, 2)
    before = sorted((repository.path / ".git").rglob("*"))
    source = with_commit_graph(open_repository(repository.path, "owner/name"), tmp_path / "graphs")
    assert sorted((repository.path / ".git").rglob("*")) == before
    graph = Path(source.graph) / "info" / "commit-graph"
    assert graph.parent.parent.parent == tmp_path / "graphs" / "owner+name"
    made_at = graph.stat().st_mtime_ns
    assert with_commit_graph(open_repository(repository.path, "owner/name"), tmp_path / "graphs") == source
    assert graph.stat().st_mtime_ns == made_at
    newest = history_of_merges(repository, 1)
    (tmp_path / "scratch").mkdir()
    with ScratchRepository(source, tmp_path / "scratch") as scratch:
        assert [replay.conflicts for replay in scratch.replayed(made + newest)] == [()] * 3
        (repository.path / ".git" / "objects" / made[0].ours[:2] / made[0].ours[2:]).unlink()
        reached = scratch.git_result("rev-list", "--count", f"{made[0].commit}^{{}}")
    assert reached.output == b"4\n", "the graph alone knows the parents of the lost commit"
