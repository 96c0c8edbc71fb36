from __future__ import annotations

import os
from pathlib import Path

import pytest

from mergebert.errors import GitError
from mergebert.git.command import LineMerge, config_values, git_answer, git_output, git_version, merge_of
from mergebert.text.threeway import ThreeWay
from tests.e2e.driver_program import line_merge

VERSIONS = (b"a\nb\nc\n", b"a\nB\nc\n", b"a\nX\nc\n")


@pytest.fixture(params=["spawned", "by subprocess"])
def merge(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LineMerge:
    """A line merge that conflicts, on systems with and without posix_spawn."""
    if request.param == "by subprocess":
        monkeypatch.delattr(os, "posix_spawnp")
    files = [str(tmp_path / name) for name in ("base", "ours", "-theirs")]
    for file, content in zip(files, VERSIONS, strict=True):
        Path(file).write_bytes(content)
    return LineMerge((files[0], files[1], files[2]), ("base", "ours", "theirs"), 9)


@pytest.mark.parametrize("style", ["", "diff3", "zdiff3"])
def test_the_line_merge_is_gits_own(merge: LineMerge, tmp_path: Path, style: str) -> None:
    options = ["--marker-size=9", *([f"--{style}"] if style else [])]
    wanted = line_merge(VERSIONS, tmp_path / "oracle", *options)
    assert merge.content(style) == wanted
    with open(tmp_path / "out", "w+b") as file:
        assert merge.write_to(file.fileno(), style) == wanted[0]
        assert (tmp_path / "out").read_bytes() == wanted[1]


def test_binary_files_are_a_failure_and_no_conflict(merge: LineMerge) -> None:
    Path(merge.files[0]).write_bytes(b"\0")
    assert merge.content() == (255, b"")


def test_texts_in_memory_are_merged_the_same(tmp_path: Path) -> None:
    code, wanted = line_merge(VERSIONS, tmp_path, "--diff3")
    assert code == 1
    assert merge_of(ThreeWay(*VERSIONS), ("base", "ours", "theirs"), 7) == wanted
    with pytest.raises(GitError, match="binary"):
        merge_of(ThreeWay(b"\0", b"a", b"b"), ("base", "ours", "theirs"), 7)


def test_git_answers_or_says_why(tmp_path: Path) -> None:
    assert git_version() >= (2, 20)
    assert git_output(["rev-parse", "--is-inside-work-tree"], Path(__file__).parent) == b"true\n"
    with pytest.raises(GitError, match="git rev-parse failed: fatal: not a git repository"):
        git_output(["rev-parse", "HEAD"], tmp_path)
    with pytest.raises(GitError, match="no folder"):
        git_answer(["version"], tmp_path / "missing")


def test_a_missing_git_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="not installed"):
        git_version()
    assert config_values("mergebert") == {}


def test_a_section_of_the_configuration(repository) -> None:
    repository.git("config", "mergebert.maxError", "0.1")
    repository.git("config", "mergebert.bundle", "two\nlines")
    repository.write({".git/config": repository.read(".git/config") + b"[mergebert]\n\tquiet\n"})
    repository.git("config", "mergebertish.bundle", "no")
    found = config_values("mergebert", repository.path)
    assert found == {"mergebert.maxerror": "0.1", "mergebert.bundle": "two\nlines", "mergebert.quiet": "true"}
