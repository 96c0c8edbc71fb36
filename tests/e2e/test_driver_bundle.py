"""The driver with the bundle that ships: whatever it decides, what it leaves keeps its contracts."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.driver_program import line_merge, plain_program

pytestmark = pytest.mark.usefixtures("shipped_bundle")

KEPT = "".join(f"int kept_{number} = {number};\n" for number in range(8))
MERGES = {
    "Version.java": (
        f'import a.List;\n\nint total = sum(items);\n{KEPT}String version = "1.0";\n',
        f'import a.List;\nimport a.Map;\n\nint total = sum(items, 0);\n{KEPT}String version = "1.1";\n',
        f'import a.List;\nimport a.Set;\n\nlong total = sum(items);\n{KEPT}String version = "2.0";\n',
    ),
    "notes.md": ("Title\n=======\n\nold\n", "Title\n=======\n\nours\n", "Title\n=======\n\ntheirs\n"),
    "last.py": ("x = 1", "x = 2", "x = 1\ny = 2"),
    "crlf.cs": ("\ufeffint a;\r\n", "\ufeffint a;\r\nint b;\r\n", "\ufeffint a;\r\nint c;\r\n"),
    "added.go": ("", "package ours\n", "package theirs\n"),
}


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+|\S", text))


@pytest.mark.parametrize("budget", ["0.05", "1"])
@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
@pytest.mark.parametrize("name", MERGES)
def test_contracts(name: str, style: str, budget: str, tmp_path: Path, isolated_git: Path) -> None:
    with (isolated_git / ".gitconfig").open("a", encoding="utf-8") as config:
        config.write(f"[merge]\n\tconflictStyle = {style}\n")
    versions = tuple(text.encode() for text in MERGES[name])
    options = [] if style == "merge" else [f"--{style}"]
    conflicts, left = line_merge(versions, tmp_path / "work", *options)  # type: ignore[arg-type]
    command = [str(plain_program(tmp_path / "bin")), "merge", "--git", "base", "ours", "theirs", "-p", name]
    done = subprocess.run(
        [*command, "--max-error", budget], cwd=tmp_path / "work", capture_output=True, check=False
    )
    result = (tmp_path / "work" / "ours").read_bytes().decode()
    has_conflicts = re.search("^<<<<<<< ours", result, re.MULTILINE) is not None
    assert conflicts
    assert done.returncode == int(has_conflicts), done.stderr
    assert done.stdout == b""
    assert words(result) <= words("".join(MERGES[name]) + left.decode())
    assert ("\r\n" in result) == ("\r\n" in MERGES[name][0])
    assert result.startswith("\ufeff") == MERGES[name][0].startswith("\ufeff")
    if KEPT in MERGES[name][0]:
        assert KEPT in result
    if result.encode() == left:
        assert done.stderr == b""
    else:
        assert b"resolved" in done.stderr


def test_a_real_merge_of_real_git(conflicted_repository, tmp_path: Path) -> None:
    repository = conflicted_repository
    script = plain_program(tmp_path / "bin")
    repository.git("config", "merge.default", "mergebert")
    repository.git(
        "config", "merge.mergebert.driver", f"{script} merge --git %O %A %B -p %P -l %L --max-error 1"
    )
    done = repository.run("merge", "theirs")
    assert done.returncode in (0, 1)
    assert (b"<<<<<<<" in repository.read("app.py")) == bool(done.returncode)
    if not done.returncode:
        assert "`mergebert review" in done.stderr
