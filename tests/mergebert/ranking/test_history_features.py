from __future__ import annotations

from dataclasses import replace
from math import isfinite, isnan, log1p, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.ranking.evidence import FileMerge
from mergebert.ranking.history_features import (
    CONTEXT_FEATURES,
    HISTORY_FEATURES,
    context_features,
    merge_features,
)
from mergebert.text.history import FileHistory, MergeContext, SideChange, Superseded
from mergebert.text.markers import MergedFile

DAY = 86_400
CONTEXT = MergeContext(1000, 90_400, 0, DAY, 3, 1, True, False, None, "origin/main")
HISTORY = FileHistory(
    SideChange(2, 10 * DAY, True),
    SideChange(1, 12 * DAY, False),
    Superseded(-1, 0),
    (Superseded(None, None), Superseded(4, -1)),
)


def features(
    history: FileHistory | None, index: int = 0, context: MergeContext | None = None
) -> dict[str, float]:
    return merge_features(FileMerge("a.py", MergedFile(()), None, context, history), index)


def test_the_facts_of_a_merge() -> None:
    facts = context_features(CONTEXT)
    assert tuple(facts) == CONTEXT_FEATURES
    assert (facts["ours_commits"], facts["theirs_commits"]) == (
        pytest.approx(log1p(3)),
        pytest.approx(log1p(1)),
    )
    assert facts["theirs_age"] == 0.0  # clocks differ: written after the merge
    assert facts["base_age"] == pytest.approx(log1p(1.0))
    assert facts["age_difference"] > 0
    assert (facts["ours_is_merger"], facts["theirs_is_merger"]) == (1.0, 0.0)


@given(*[st.integers(-(2**40), 2**40)] * 4, st.integers(-3, 2**31), st.integers(-3, 2**31))
def test_any_merge_has_facts(ours: int, theirs: int, base: int, merge: int, mine: int, other: int) -> None:
    facts = context_features(MergeContext(ours, theirs, base, merge, mine, other, False, False))
    assert all(map(isfinite, facts.values()))


def test_nothing_is_known_without_a_history() -> None:
    found = features(None)
    assert tuple(found) == (*CONTEXT_FEATURES, *HISTORY_FEATURES)
    assert all(map(isnan, found.values()))


@pytest.mark.parametrize(("name", "is_trunk"), [("origin/main", 1.0), ("feature/x", 0.0), (None, nan)])
def test_the_branch_from_which_others_are_brought_up_to_date(name: str | None, is_trunk: float) -> None:
    found = features(None, context=replace(CONTEXT, theirs_branch=name))
    assert str(found["theirs_is_trunk"]) == str(is_trunk)


def test_how_each_side_changed_the_file() -> None:
    found = features(HISTORY)
    assert (found["ours_file_commits"], found["theirs_file_commits"]) == (log1p(2), log1p(1))
    assert found["file_age_difference"] == 2.0
    assert (found["ours_file_by_merger"], found["theirs_file_by_merger"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("index", "expected"),
    [(0, (nan, nan, nan, nan)), (1, (1.0, 0.0, log1p(4), nan)), (2, (nan, nan, nan, nan))],
    ids=["unknown", "known", "of no conflict"],
)
def test_which_side_is_superseded(index: int, expected: tuple[float, ...]) -> None:
    found = features(HISTORY, index)
    names = ("ours_superseded", "theirs_superseded", "ours_versions_ago", "theirs_versions_ago")
    assert [str(found[name]) for name in names] == [str(value) for value in expected]
    assert (found["ours_file_superseded"], found["theirs_file_superseded"]) == (0.0, 1.0)
