from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mergebert.git import caller
from mergebert.git.caller import git_caller

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = f"""\
#!{sys.executable} -P
import sys
sys.path.insert(0, {str(ROOT)!r})
from mergebert.git.caller import git_caller
print(git_caller())
"""


@pytest.fixture
def asks(tmp_path: Path) -> str:
    """A program that prints which git command runs it."""
    program = tmp_path / "asks"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return str(program)


def test_the_nearest_git_above_is_found_with_its_words(repository, asks: str) -> None:
    repository.git("config", "alias.ask", f"!nice sh -c '{asks}; true'")
    shown = repository.git("-c", "x.y=z", "-C", ".", "--no-pager", "ask", "-X", "it's theirs", "")
    assert shown == repr(("ask", "-X", "it's theirs", ""))


def test_without_git_above_there_is_none(asks: str) -> None:
    done = subprocess.run(["sh", "-c", f"{asks}; true"], capture_output=True, text=True, check=True)
    assert done.stdout in ("()\n", f"{git_caller()!r}\n")  # git itself may run the tests


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["git", "merge", "topic"], ("merge", "topic")),
        (["/usr/lib/git-core/git", "--git-dir", "x", "-c", "a=b", "merge"], ("merge",)),
        (["git.exe", "--git-dir=x", "--bare", "rebase", "-i"], ("rebase", "-i")),
        (["git-merge-recursive", "a"], ("merge-recursive", "a")),
        (["git"], ()),
        (["gitk", "merge"], ()),
        (["/bin/sh", "/usr/lib/git-core/git-mergetool"], ()),
        ([], ()),
    ],
)
def test_the_command_stands_behind_the_options_of_git_itself(
    words: list[str], wanted: tuple[str, ...]
) -> None:
    assert caller._git_command(words) == wanted


@pytest.mark.parametrize(
    ("words", "file", "wanted"),
    [
        (["./g", "-c", "a=b", "merge", "-Xours"], "/usr/bin/git", ("merge", "-Xours")),
        (["./g", "merge"], "/usr/bin/g", ()),
        (["git", "merge"], "", ("merge",)),
    ],
)
def test_a_git_by_another_name_is_known_by_its_file(
    words: list[str], file: str, wanted: tuple[str, ...]
) -> None:
    assert caller._git_command(words, file) == wanted


@pytest.mark.parametrize(
    ("above", "wanted"),
    [
        (["./g", "merge", "-Xours", "topic"], ("merge", "-Xours", "topic")),
        (["./g", "-c", "merge", "commit"], ()),
        (["java", "-jar", "git.jar"], ()),
    ],
)
def test_what_merges_by_a_driver_line_is_git(
    above: list[str], wanted: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "python -m mergebert merge --git 1 2 3; exit 0"
    processes = {os.getppid(): (2, ["sh", "-c", line, line]), 2: (1, above)}
    monkeypatch.setattr(caller, "_process", processes.get)
    assert git_caller() == wanted


def test_where_parents_are_hidden_it_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "_process", lambda number: None)
    assert git_caller() is None


def test_ps_tells_the_same_as_proc() -> None:
    found = caller._process_by_ps(os.getpid())
    if found is None:
        pytest.skip("no ps here")
    assert found[0] == os.getppid()
    assert found[1] == " ".join(caller._process_by_proc(os.getpid())[1]).split()


def test_a_process_that_has_ended_tells_nothing() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert caller._process(ended.pid) is None
