"""The short form of `python -m tests.campaign.plain_git`, and what that does not try: renames."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from mergebert.git.command import git_version
from mergebert.text.threeway import ThreeWay
from tests.campaign.plain_git import OPTIONS, WAYS, MergeTrial, differences, installed
from tests.campaign.random_merges import random_merge
from tests.conftest import Repository
from tests.e2e.driver_program import plain_program

# One conflict at least; histogram and Myers differ; merge-file joins over the blank lines.
CHOSEN = (
    ThreeWay(b"a\nb\nc\n", b"a\nB\nc\n", b"a\nX\nc"),
    ThreeWay(b"c\nc\na\n", b"b\nc\na\n", b"b\nc\na\na\nc\n"),
    ThreeWay(b"a\n\n\n\n\n\nb\n", b"x\n\n\n\n\n\nx\n", b"y\n\n\n\n\n\ny\n"),
    ThreeWay(b"a\nb c\nd\ne\n", b"a\nb  c\nD\ne", b"a\nx c\nX\ne  \n"),
    ThreeWay(b"\0", b"\0a", b"\0b"),
)


def merges(seed: int) -> list[ThreeWay[bytes]]:
    draw = Random(seed)
    return [*CHOSEN, *(random_merge(draw) for _ in range(10))]


def assert_like_git(trial: MergeTrial, style: str, options: Sequence[str], program: str) -> None:
    settings = installed(program, git_version())
    alone = trial.outcome(style, options, {})
    assert list(differences(trial, alone, trial.outcome(style, options, settings))) == []
    favoured = {"-Xtheirs", "ours"} & set(options)
    assert (alone.conflicts > 2) != bool(favoured)


@pytest.fixture
def program(tmp_path: Path) -> str:
    return shlex.quote(str(plain_program(tmp_path / "bin")))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
def test_every_way_of_merging_is_gits(way: str, style: str, tmp_path: Path, program: str) -> None:
    assert_like_git(MergeTrial(tmp_path / "merge", merges(1), way), style, (), program)


@pytest.mark.parametrize("options", OPTIONS[1:])
def test_every_option_of_a_merge_is_gits(options: tuple[str, ...], tmp_path: Path, program: str) -> None:
    assert_like_git(MergeTrial(tmp_path / "merge", merges(2), "merge"), "diff3", options, program)


@pytest.mark.parametrize("way", ["rebase", "cherry-pick", "revert"])
def test_a_favoured_side_is_gits(way: str, tmp_path: Path, program: str) -> None:
    assert_like_git(MergeTrial(tmp_path / "merge", merges(3), way), "merge", ("-Xtheirs",), program)


@pytest.mark.parametrize("renaming", ["ours", "theirs"])
def test_the_labels_of_a_renamed_file_are_gits(renaming: str, repository, program: str) -> None:
    """A conflict between `HEAD:old.txt` and `theirs:new.txt`."""
    kept = "".join(f"line {number}\n" for number in range(20))
    repository.commit("base", {"old.txt": f"{kept}one\n"})
    for side, branch in (
        ("theirs", ("checkout", "-q", "-b", "theirs")),
        ("ours", ("checkout", "-q", "main")),
    ):
        repository.git(*branch)
        repository.write({"old.txt": f"{kept}{side}\n"})
        if side == renaming:
            repository.git("mv", "old.txt", "new.txt")
        repository.git("commit", "-q", "-a", "-m", side)
    found = []
    for settings in ({}, installed(program, git_version())):
        given = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        done = repository.run(
            *given, "-c", "merge.conflictStyle=diff3", "merge", "theirs", env={"MERGEBERT": "0"}
        )
        assert done.returncode == 1, done.stdout
        found.append(repository.read("new.txt"))
        repository.git("merge", "--abort")
    assert b":new.txt\n" in found[0]
    assert found[1] == found[0]


@pytest.mark.parametrize(
    "words",
    [
        ("checkout", "-m", "theirs"),
        ("checkout", "--conflict", "diff3", "theirs"),
        ("checkout", "-m", "-b", "new", "theirs"),
        ("checkout", "theirs", "-m", "--detach"),
        ("checkout", "-m", "-"),
        ("switch", "--merge", "-c", "new", "theirs"),
    ],
)
@pytest.mark.parametrize("start", ["main", "HEAD~0"])
def test_however_a_branch_is_named_its_labels_are_gits(
    words: Sequence[str], start: str, repository: Repository, program: str
) -> None:
    repository.commit("one", {"f": b"a\nb\nc\n"})
    repository.git("checkout", "-qb", "theirs")
    repository.commit("two", {"f": b"a\nX\nc\n"})
    given = [
        word for key, value in installed(program, git_version()).items() for word in ("-c", f"{key}={value}")
    ]
    found = []
    for settings in ([], given):
        repository.git("checkout", "-qf", "theirs")
        repository.git("checkout", "-q", start if start == "main" else "theirs~1")
        repository.write({"f": b"a\nB\nc\n"})
        repository.run("-c", "merge.conflictStyle=diff3", *settings, *words)
        found.append(repository.read("f"))
        repository.git("checkout", "-qf", "main")
        repository.run("branch", "-D", "new")
    assert found[0] == found[1]
    assert b"\n<<<<<<< " in found[0]
