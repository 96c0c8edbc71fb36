"""Whatever bytes a file is called by, it is merged, solved, reviewed and shown in an editor like any other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mergebert.driver import registration
from mergebert.driver.registration import install, scope_of
from mergebert_lsp.text.uris import uri_of
from tests.conftest import Repository
from tests.e2e.driver_program import driver_program
from tests.lsp.editor import editor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names are any bytes on Linux alone")

NAMES = (
    *("a b.py", 'it\'s "here".py', "%A %P.py", "new\nline.py", "caf\udce9/th\udce9.py", "-x.py"),
    *("$(touch owned).py", "`id`;#.py", "back\\slash.py", "*.py", ":(top)x.py"),
)
BASE, OURS, THEIRS, UNSURE = (
    dict.fromkeys(NAMES, f"a\n{word}\nc\n") for word in ("b", "ours", "theirs", "unsure")
)


@pytest.fixture
def script(repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The stand-in that takes theirs unless that says "unsure", registered in the repository."""
    found = driver_program(tmp_path / "bin")
    monkeypatch.setattr(registration, "program", lambda: str(found))
    install(scope_of("--local", repository.path))
    return found


def answer(script: Path, repository: Repository, *arguments: str) -> str:
    done = subprocess.run([script, *arguments], cwd=repository.path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return os.fsdecode(done.stdout)


def test_the_driver_resolves_all(repository: Repository, script: Path) -> None:
    repository.diverge(BASE, OURS, THEIRS)
    done = repository.run("merge", "--no-edit", "theirs")
    assert done.returncode == 0, done.stderr
    assert "1 of 1 conflicts in new\\nline.py; " in done.stderr
    assert {name: repository.read(name).decode() for name in NAMES} == THEIRS
    assert answer(script, repository, "review").count("1 of 1 conflicts resolved") == len(NAMES)
    assert not (repository.path / "owned").exists()


def test_solve_takes_each_of_them(repository: Repository, script: Path) -> None:
    repository.diverge(BASE, OURS, THEIRS)
    repository.run("merge", "theirs", env={"MERGEBERT": "0"})
    answer(script, repository, "solve", "--", *NAMES)
    assert {name: repository.read(name).decode() for name in NAMES} == THEIRS


@pytest.mark.asyncio
@pytest.mark.usefixtures("script", "shipped_bundle")
async def test_an_editor_is_shown_all(repository: Repository) -> None:
    repository.diverge(BASE, OURS, UNSURE)
    repository.run("merge", "theirs")
    async with editor(folder=repository.path) as one:
        found = await one.command("check")
        shown = [one.diagnostics(uri_of(str(repository.path / name))) for name in NAMES]
    assert (found["files"], found["conflicts"]) == (len(NAMES), len(NAMES))
    assert [len(each) for each in shown] == [1] * len(NAMES)
