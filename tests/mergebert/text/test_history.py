from __future__ import annotations

import pytest

from mergebert.text.history import FileHistory, MergeHistory, PastVersions, SideChange, Superseded
from mergebert.text.markers import Conflict
from mergebert.text.threeway import ThreeWay
from tests.mergebert.strategies import conflict_of

BASE, OURS, THEIRS = "value = old_value()\n", "value = our_value()\n", "value = their_value()\n"
STAGES = ThreeWay(f"a\n{BASE}b\n", f"a\n{OURS}b\n", f"a\n{THEIRS}b\n")
CONFLICT = conflict_of(BASE, OURS, THEIRS)
CHANGES = (SideChange(1, 5, True), SideChange(2, 7, False))


def history(
    past: PastVersions | None, conflict: Conflict = CONFLICT, stages: ThreeWay[str] | None = STAGES
) -> FileHistory:
    known = {} if past is None else {"a.py": past}
    return MergeHistory(None, {"a.py": CHANGES}, known).of("a.py", stages, [conflict])


CASES = {
    "unknown": (PastVersions(None, None), Superseded(None, None)),
    "one side unknown": (PastVersions((), None), Superseded(None, -1)),
    "never": (PastVersions(("x\n",), ("y\n",)), Superseded(-1, -1)),
    "ours stood on theirs": (PastVersions((), (f"c\n{THEIRS}", f"c\n{OURS}d\n")), Superseded(1, -1)),
    "theirs stood on ours": (PastVersions((f"{THEIRS}",), ()), Superseded(-1, 0)),
    "with other white space": (PastVersions((), (OURS.replace(" ", "\t\t"),)), Superseded(0, -1)),
    "the newest of several": (PastVersions((), (OURS, OURS)), Superseded(0, -1)),
}


@pytest.mark.parametrize(("past", "expected"), CASES.values(), ids=CASES)
def test_where_the_text_of_a_side_has_stood(past: PastVersions, expected: Superseded) -> None:
    assert history(past).conflicts == (expected,)


def test_a_short_text_tells_nothing() -> None:
    conflict = conflict_of("a\n", "b = 1\n", "c = 2\n")
    stages = ThreeWay("a\n", "b = 1\n", "c = 2\n")
    assert history(PastVersions((), ("b = 1\n",)), conflict, stages).conflicts == (Superseded(-1, -1),)


@pytest.mark.parametrize("side", ["base", "theirs"])
def test_a_text_that_stands_in_the_base_or_on_the_other_side_tells_nothing(side: str) -> None:
    stages = ThreeWay(
        **{name: getattr(STAGES, name) + OURS * (name == side) for name in ("base", "ours", "theirs")}
    )
    assert history(PastVersions((), (OURS,)), stages=stages).conflicts == (Superseded(-1, -1),)


def test_the_lines_of_a_text_have_to_stand_together() -> None:
    two = conflict_of("", f"first_line\n{OURS}", "x\n")
    apart = PastVersions((), (f"first_line\nz\n{OURS}",))
    assert history(apart, two).conflicts == (Superseded(-1, -1),)


def test_a_whole_file_has_to_be_the_same_to_the_byte() -> None:
    assert history(PastVersions((), (STAGES.theirs, STAGES.ours))).file == Superseded(1, -1)
    assert history(PastVersions((), (STAGES.ours + "\n",))).file == Superseded(-1, -1)


def test_without_versions_only_the_changes_are_known() -> None:
    assert history(None) == FileHistory(*CHANGES)
    assert history(PastVersions((), ()), stages=None) == FileHistory(*CHANGES)
    assert MergeHistory().of("a.py", STAGES, [CONFLICT]) == FileHistory()
