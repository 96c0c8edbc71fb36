from __future__ import annotations

from pathlib import Path

import pytest

from mergebert.errors import GitError
from mergebert.git.config import config_entries, config_values


def test_a_section_of_the_configuration(repository) -> None:
    repository.git("config", "mergebert.maxError", "0.1")
    repository.git("config", "mergebert.bundle", "two\nlines")
    repository.write({".git/config": repository.read(".git/config") + b"[mergebert]\n\tquiet\n"})
    repository.git("config", "mergebertish.bundle", "no")
    found = config_values("mergebert", repository.path)
    assert found == {"mergebert.maxerror": "0.1", "mergebert.bundle": "two\nlines", "mergebert.quiet": "true"}


def test_entries_say_who_made_them_and_the_last_one_counts(repository) -> None:
    repository.git("config", "--global", "mergebert.timeout", "1")
    repository.git("config", "--local", "mergebert.timeout", "2")
    repository.git("config", "branch.Main.mergeOptions", "-X ours")
    assert config_entries(r"mergebert\.|branch\.", repository.path) == [
        ("global", "mergebert.timeout", "1"),
        ("local", "mergebert.timeout", "2"),
        ("local", "branch.Main.mergeoptions", "-X ours"),
    ]
    assert config_values("mergebert", repository.path) == {"mergebert.timeout": "2"}


def test_without_git_there_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert config_entries("user") == []


def test_settings_that_git_cannot_read_are_not_none(repository, tmp_path: Path) -> None:
    with pytest.raises(GitError, match="no folder"):
        config_entries("user", tmp_path / "missing")
    repository.write({".git/config": "[merge\n"})
    with pytest.raises(GitError, match=r"git config failed: fatal: bad config line 1 in file \.git/config\."):
        config_entries("user", repository.path)
