"""Neovim as it is installed, old and new, against the real server: what it shows, and the bytes it saves."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
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
    coming_merge,
    server_on_path,
    stopped_merge,
    suggested,
)

NEW = (0, 11)  # the first version with vim.lsp.config
versions = pytest.mark.parametrize("new", [False, True], ids=["0.7", "0.11"])


def editors() -> Iterator[tuple[tuple[int, ...], str]]:
    """Version and path of every Neovim on the search path and beside the Python that runs the tests."""
    folders = [str(Path(sys.executable).parent), *os.get_exec_path()]
    for folder in dict.fromkeys(folders):
        program = shutil.which("nvim", path=folder)
        if program is None:
            continue
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        if found := re.match(r"NVIM v(\d+)\.(\d+)", said):
            yield tuple(map(int, found.groups())), program


def neovim(new: bool) -> str:
    """A Neovim that reads neovim.lua (0.11 and newer), or one that reads neovim-0.7.lua."""
    for version, program in editors():
        if (version >= NEW) == new:
            return program
    wanted = "0.11 or newer" if new else "older than 0.11"
    pytest.skip(f"no Neovim {wanted} is installed")


def play(
    new: bool, merge: Merge, plan: list[Step], folder: Path, incoming: str | None = None
) -> dict[str, Any]:
    """What a person saw who merged `incoming` with the file open, took those actions at those lines and saved."""
    config = EDITORS / ("neovim.lua" if new else "neovim-0.7.lua")
    report = folder / "report.json"
    environment = server_on_path(folder / "bin", os.environ) | {
        "PLAN": json.dumps(plan),
        "REPORT": str(report),
        **({} if incoming is None else {"MERGE": incoming}),
    }
    plain = ["--headless", "-n", "-i", "NONE"]  # no swap file, no history of the person who tests
    done = subprocess.run(
        [neovim(new), *plain, "-u", config, merge.file, "-c", f"luafile {HERE / 'drive_neovim.lua'}"],
        cwd=merge.repository.path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert report.is_file(), f"Neovim wrote no report: {done.stdout}{done.stderr}"
    seen: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    print(json.dumps(seen, indent=2))
    return seen


@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["LF", "CRLF"])
@versions
def test_sides_are_taken_to_the_byte(new: bool, ending: str, repository: Repository, tmp_path: Path) -> None:
    merge = stopped_merge(repository, ending=ending)
    # The second one first: the place of the first does not move.
    seen = play(new, merge, [(15, "^Take HEAD", 1), (1, "^Take theirs", 0)], tmp_path)
    assert seen["messages"] == []
    assert [one["line"] for one in seen["diagnostics"]] == [1, 15]
    assert merge.text == FIRST_THEIRS.replace("\n", ending)


@versions
def test_a_suggestion_is_what_the_command_line_suggests(
    new: bool, repository: Repository, tmp_path: Path
) -> None:
    merge = stopped_merge(repository)
    expected = suggested(merge, 1)
    seen = play(new, merge, [(1, "^Accept suggestion 1", 1)], tmp_path)
    assert seen["messages"] == []
    assert merge.text == expected


@versions
def test_keys_go_round_the_conflicts_and_accept_what_is_sure(
    new: bool, repository: Repository, tmp_path: Path
) -> None:
    merge = stopped_merge(repository)
    repository.git("config", "--global", "mergebert.maxError", "1")  # whatever there is counts as sure
    expected = suggested(merge, 2)
    keys = [(1, "]x", 2), (15, "[x", 2), (1, r"\ma", 0)]
    seen = play(new, merge, keys, tmp_path)
    assert seen["messages"] == []
    assert seen["places"][:2] == [15, 1]
    assert merge.text == expected


@versions
def test_a_merge_is_noticed_while_the_file_is_open(new: bool, repository: Repository, tmp_path: Path) -> None:
    merge = coming_merge(repository)
    seen = play(new, merge, [], tmp_path, incoming="theirs")
    assert seen["messages"] == []
    assert [one["line"] for one in seen["diagnostics"]] == [1, 15]
