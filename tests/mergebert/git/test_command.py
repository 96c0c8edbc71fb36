from __future__ import annotations

import os
from pathlib import Path

import pytest

from mergebert.errors import GitError
from mergebert.git.command import git_output, git_result, git_version, lean_result


@pytest.mark.parametrize("has_spawn", [True, False])
def test_a_lean_result_is_exit_code_and_output(has_spawn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_spawn:
        monkeypatch.delattr(os, "posix_spawnp")
    told = {"PATH": os.environ["PATH"], "WORD": "told"}
    assert lean_result(["sh", "-c", "echo $WORD; echo unheard >&2; exit 3"], told) == (3, b"told\n")
    assert lean_result(["sh", "-c", "cat; kill -9 $$"]) == (247, b"")
    with pytest.raises(FileNotFoundError):
        lean_result(["no-such-program"])


def test_git_answers_or_says_why(tmp_path: Path) -> None:
    assert git_version() >= (2, 20)
    assert git_output(["rev-parse", "--is-inside-work-tree"], Path(__file__).parent) == b"true\n"
    with pytest.raises(GitError, match="git rev-parse failed: fatal: not a git repository"):
        git_output(["rev-parse", "HEAD"], tmp_path)
    with pytest.raises(GitError, match="no folder"):
        git_result(["version"], tmp_path / "missing")


def test_the_first_line_of_a_complaint_is_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "git").write_text(
        "#!/bin/sh\nprintf 'fatal: not yours.\\nTo add an exception, call:\\n' >&2; exit 128\n"
    )
    (tmp_path / "git").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        with pytest.raises(GitError, match=r"^git status failed: fatal: not yours\.$"):
            git_output(["status"])


def test_a_missing_git_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="not installed"):
        git_version()
