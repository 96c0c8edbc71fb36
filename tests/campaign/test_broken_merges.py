"""The short form of `python -m tests.campaign.broken_merges`, and that it would see what may never happen."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest

from mergebert.git.byte_merge import byte_merge
from mergebert.git.merge_options import MergeOptions
from mergebert.text.threeway import ThreeWay
from tests.conftest import Repository

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits are POSIX's")

broken_merges = pytest.importorskip("tests.campaign.broken_merges", reason="needs POSIX limits")
ROUNDS = 4  # of every fault


def test_whatever_breaks_nothing_is_lost(tmp_path: Path) -> None:
    breaker = broken_merges.Breaker(tmp_path)
    count = ROUNDS * len(broken_merges.FAULTS)
    for fault, trial in broken_merges.trials(Random(7), count, tmp_path):
        assert breaker.violations(trial) == [], (fault, trial)


BASE, OURS, THEIRS = b"a\nb\nc\n", b"a\nB\nc\n", b"a\nX\nc\n"


@pytest.mark.parametrize(
    ("code", "left", "violation"),
    [
        (0, b"a\nX\nc\n", None),
        (1, b"a\n<<<<<<< ours\nB\n=======\nX\n>>>>>>> theirs\nc\n", None),
        (255, None, None),
        (137, None, None),
        (1, None, "exit code 1 without a result"),
        (255, OURS, "exit code 255 with a result"),
        (0, b"a\n<<<<<<< ours\nB\n=======\nX\n>>>>>>> theirs\nc\n", "exit code 0 with markers"),
        (1, b"a\nX\n", "text outside of conflicts"),
        (0, b"", "text outside of conflicts"),
    ],
)
def test_violations_are_seen(code: int, left: bytes | None, violation: str | None) -> None:
    merged = byte_merge((BASE, OURS, THEIRS), MergeOptions())
    found = list(broken_merges._wrong_result(code, left, merged, [merged]))
    assert [violation in one for one in found] == ([True] if violation else [])


def test_a_clean_merge_has_to_be_gits() -> None:
    merged = byte_merge((BASE, BASE, THEIRS), MergeOptions())
    assert list(broken_merges._wrong_result(0, THEIRS, merged, [merged])) == []
    [found] = broken_merges._wrong_result(0, BASE, merged, [merged])
    assert "not git's" in found


def test_files_of_real_merges_are_those_in_conflict(repository: Repository, tmp_path: Path) -> None:
    base, ours, theirs = {"f": BASE, "g": BASE}, {"f": OURS, "g": BASE}, {"f": THEIRS, "g": THEIRS}
    repository.diverge(base, ours, theirs)
    repository.run("merge", "theirs")
    repository.write({"f": b"a\nresolved\nc\n"})
    repository.git("commit", "-qam", "resolved")
    assert broken_merges.real_files(repository.path / ".git", tmp_path / "objects") == [
        ThreeWay(BASE, OURS, THEIRS)
    ]
