from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest

from mergebert.driver.journal import journal_folder
from mergebert_lsp.worker import repository as index
from mergebert_lsp.worker.repository import Repositories
from tests.conftest import Repository


@pytest.fixture
def merging(repository: Repository) -> Repository:
    names = ("a.py", "é b.py")
    repository.diverge(*(dict.fromkeys(names, f"x = {at}\n") for at in range(3)))
    assert repository.run("merge", "theirs").returncode == 1
    return repository


@pytest.fixture
def git_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The git commands that were run, by name."""
    calls: list[str] = []
    for name in ("git_output", "unmerged_entries", "stage_texts", "repository_root"):
        original = getattr(index, name)

        def watched(
            *arguments: object, original: Callable[..., object] = original, name: str = name
        ) -> object:
            calls.append(name)
            return original(*arguments)

        monkeypatch.setattr(index, name, watched)
    return calls


def test_the_versions_of_a_conflicted_file_are_read_once(merging: Repository, git_calls: list[str]) -> None:
    path = merging.path / "a.py"
    repositories = Repositories()
    found = [repositories.around(path) for _ in range(2)]
    assert found[0] is found[1]
    assert found[0] is not None
    versions = [found[0].versions_of(path) for _ in range(2)]
    assert versions[0] is versions[1]
    assert versions[0] is not None
    assert versions[0].stages.base == "x = 0\n"
    assert len(versions[0].line_merge.conflicts) == 1
    assert sorted(git_calls) == ["git_output", "repository_root", "stage_texts", "unmerged_entries"]


def test_a_new_index_is_read_and_what_has_not_changed_is_kept(
    merging: Repository, git_calls: list[str]
) -> None:
    first, second = (merging.path / name for name in ("a.py", "é b.py"))
    repository = Repositories().around(first)
    assert repository is not None
    assert repository.unmerged() == ("a.py", "é b.py")
    before = repository.versions_of(second)
    assert repository.versions_of(first) is not None
    merging.git("add", "a.py")
    git_calls.clear()

    assert repository.versions_of(first) is None
    assert repository.versions_of(second) is before
    assert repository.unmerged() == ("é b.py",)
    assert git_calls == ["unmerged_entries"]


def test_outside_of_a_repository_there_are_no_versions(tmp_path: Path) -> None:
    assert Repositories().around(tmp_path / "a.py") is None
    assert Repositories().around(tmp_path / "not there" / "a.py") is None


@pytest.mark.parametrize("gone", [".", ".git"])
def test_a_repository_that_was_deleted_is_found_again_once_it_is_made_anew(
    gone: str, merging: Repository
) -> None:
    path = merging.path / "a.py"
    repositories = Repositories()
    before = repositories.around(path)
    assert before is not None
    assert before.is_unmerged(path)
    shutil.rmtree(merging.path / gone)
    assert repositories.around(path) is None
    merging.path.mkdir(exist_ok=True)
    merging.git("init", "--quiet")
    repositories.forget(frozenset())  # as where a text is closed
    after = repositories.around(path)
    assert after is not None
    assert after is not before
    assert not after.is_unmerged(path)


def test_a_file_that_is_reached_by_a_link_elsewhere_has_no_name(merging: Repository, tmp_path: Path) -> None:
    repository = Repositories().around(merging.path)
    assert repository is not None
    assert repository.name_of(merging.path / "é b.py") == "é b.py"
    assert repository.name_of(tmp_path / "elsewhere.py") == ""
    assert repository.versions_of(tmp_path / "elsewhere.py") is None


def test_versions_of_files_that_nobody_looks_at_are_let_go(merging: Repository, git_calls: list[str]) -> None:
    path = merging.path / "a.py"
    repositories = Repositories()
    repository = repositories.around(path)
    assert repository is not None
    repository.versions_of(path)
    repositories.forget(frozenset())
    git_calls.clear()
    repository.versions_of(path)
    assert git_calls == ["stage_texts"]


def test_pipes_are_not_waited_for(merging: Repository, caplog: pytest.LogCaptureFixture) -> None:
    """In the place of a conflicted file, and of what was noted of it."""
    path = merging.path / "a.py"
    path.unlink()
    os.mkfifo(path)
    journal = journal_folder(merging.path)
    journal.mkdir(exist_ok=True)
    entry = journal / f"{1:017d}-{crc32(b'a.py'):08x}-aaaaaaaa.json"
    os.mkfifo(entry)
    repository = Repositories().around(path)
    assert repository is not None
    versions = repository.versions_of(path)
    assert versions is not None
    assert len(versions.line_merge.conflicts) == 1
    assert repository.own_in(path) == frozenset()
    assert caplog.messages == [f"{entry} is damaged; delete it."]
