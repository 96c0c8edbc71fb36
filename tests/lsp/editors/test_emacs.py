"""Emacs with eglot, as it is installed, against the real server: what it shows, and the bytes it saves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Repository
from tests.lsp.editors.merge_in_progress import (
    EDITORS,
    FIRST_THEIRS,
    HERE,
    Merge,
    Step,
    server_on_path,
    stopped_merge,
    suggested,
)

EMACS = shutil.which("emacs")


def run_emacs(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What Emacs without any settings but those of its packages answered."""
    return subprocess.run(
        [str(EMACS), "--batch", "--funcall", "package-initialize", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


@pytest.fixture
def emacs() -> None:
    """Skips where there is no Emacs, or one without eglot."""
    if EMACS is None:
        pytest.skip("no Emacs is installed")
    found = run_emacs(["--eval", "(kill-emacs (if (require 'eglot nil t) 0 1))"], dict(os.environ))
    if found.returncode:
        pytest.skip("this Emacs has no eglot: it is part of Emacs 29, and the package elpa-eglot before that")


def play(merge: Merge, plan: list[Step], folder: Path) -> dict[str, Any]:
    """What a person saw who took those actions at those lines and saved."""
    report = folder / "report.json"
    environment = server_on_path(folder / "bin", os.environ) | {
        "FILE": str(merge.file),
        "PLAN": json.dumps(plan),
        "REPORT": str(report),
    }
    done = run_emacs(["-l", str(EDITORS / "eglot.el"), "-l", str(HERE / "drive_eglot.el")], environment)
    assert report.is_file(), f"Emacs wrote no report: {done.stdout}{done.stderr}"
    seen: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    print(json.dumps(seen, indent=2))
    return seen


@pytest.mark.usefixtures("emacs")
@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_sides_are_taken_to_the_byte(ending: str, repository: Repository, tmp_path: Path) -> None:
    merge = stopped_merge(repository, ending=ending)
    # The second one first: the place of the first does not move.
    seen = play(merge, [(15, "^Take HEAD", 1), (1, "^Take theirs", 0)], tmp_path)
    assert seen["messages"] == []
    assert [one["line"] for one in seen["diagnostics"]] == [1, 15]
    assert merge.text == FIRST_THEIRS.replace("\n", ending)


@pytest.mark.usefixtures("emacs")
def test_a_suggestion_is_what_the_command_line_suggests(repository: Repository, tmp_path: Path) -> None:
    merge = stopped_merge(repository)
    expected = suggested(merge, 1)
    seen = play(merge, [(1, "^Accept suggestion 1", 1)], tmp_path)
    assert seen["messages"] == []
    assert merge.text == expected


@pytest.mark.usefixtures("emacs")
def test_a_command_accepts_what_is_sure(repository: Repository, tmp_path: Path) -> None:
    merge = stopped_merge(repository)
    repository.git("config", "--global", "mergebert.maxError", "1")  # whatever there is counts as sure
    expected = suggested(merge, 2)
    seen = play(merge, [(1, "mergebert-accept-sure", 0)], tmp_path)
    assert seen["messages"] == []
    assert merge.text == expected
