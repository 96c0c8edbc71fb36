"""Git commands as people type them, by git alone and with the driver, its model off; every byte has to be the same."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mergebert.git.command import git_version
from tests.campaign.plain_git import installed
from tests.conftest import Repository
from tests.e2e.driver_program import plain_program

START = """\
ci() { git add -A; git commit -q --allow-empty -m "$1"; }
text() { printf '1\\n%s\\n3\\n4\\n5\\n' "$1"; }
"""
DIVERGED = """\
text 2 > f.py; ci base; git branch topic
text ours > f.py; ci ours
git checkout -q topic; text theirs > f.py; ci 'theirs title'; git checkout -q main
"""
SCRIPTS = {
    "a key behind -S": f"{DIVERGED}git merge --no-commit -S3AA5C34371567BDF -X ours topic",
    "a key with m": f"{DIVERGED}git cherry-pick -n -SABCm -X theirs topic",
    "the message is no option": f"{DIVERGED}git merge --message -Xours topic",
    "a linked git": f'{DIVERGED}ln -s "$(command -v git)" ../g; ../g merge -X ours topic',
    "a copied git": f'{DIVERGED}cp "$(command -v git)" ../g; ../g merge -X ours topic',
}


@dataclass(frozen=True)
class Left:
    """What a script left: its output and exit code, the index, and the bytes of every file."""

    code: int
    output: bytes
    index: str
    files: dict[str, bytes]


@pytest.fixture
def left_by(tmp_path: Path, make_repository: Callable[..., Repository]) -> Callable[[str, str], Left]:
    """A function that runs a script in a new repository, with or without the driver."""
    program = shlex.quote(str(plain_program(tmp_path / "bin")))
    settings = installed(program, git_version())

    def left(script: str, name: str) -> Left:
        repository = make_repository(f"{name}/repository")
        for key, value in settings.items() if name == "driver" else ():
            repository.git("config", "--global", key, value)
        repository.git("config", "core.abbrev", "7")
        dates = {f"GIT_{who}_DATE": "@1 +0000" for who in ("AUTHOR", "COMMITTER")}
        done = subprocess.run(
            ["sh", "-c", START + script],
            cwd=repository.path,
            env={**os.environ, **dates, "GIT_EDITOR": "true", "MERGEBERT": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        files = (path for path in repository.path.rglob("*") if path.is_file() and ".git" not in path.parts)
        contents = {str(path.relative_to(repository.path)): path.read_bytes() for path in files}
        return Left(done.returncode, done.stdout, repository.git("ls-files", "-s"), contents)

    return left


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_command_leaves_what_git_leaves(script: str, left_by: Callable[[str, str], Left]) -> None:
    alone = left_by(script, "alone")
    assert left_by(script, "driver") == alone
