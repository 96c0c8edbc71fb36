from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.ranking.risk import NEVER, Risk, cautious_errors
from mergebert.tiers import ErrorBudgets, Thresholds, Tier
from tests.mergebert.ranking.risks import risk_of

CURVE = risk_of((0.9, 0.1, 0.01), (0.7, 0.3, 0.05), (0.4, 0.6, 0.2), (0.1, 1.0, 0.5))
counts = st.lists(
    st.tuples(
        st.floats(0, 1), st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), min_size=3, max_size=3)
    ),
    min_size=1,
    max_size=9,
    unique_by=lambda row: row[0],
)


def cumulated(rows: list[tuple[float, list[tuple[int, int]]]]) -> Risk:
    """The risk of thresholds at each of which so many conflicts of three repositories are added, some of them wrong."""
    rows = sorted(rows, reverse=True)
    right, wrong = (np.cumsum([[pair[at] for pair in found] for _, found in rows], axis=0) for at in (0, 1))
    totals, wrongs = (tuple(map(tuple, values.tolist())) for values in (right + wrong, wrong))
    return Risk(tuple(threshold for threshold, _ in rows), totals, wrongs, 20)


def test_the_threshold_is_the_least_that_errs_little_enough() -> None:
    found = {budget: CURVE.within(ErrorBudgets(budget)).applied for budget in (0.05, 0.2, 1.0, 0.0)}
    assert found == {0.05: 0.7, 0.2: 0.4, 1.0: 0.1, 0.0: NEVER}
    assert Risk((), (), (), 1).within(ErrorBudgets(1.0)) == Thresholds(NEVER, NEVER)


def test_drafts_are_measured_without_what_is_applied() -> None:
    """Of the 0.3 between the thresholds 0.7 and 0.4 a share of 0.35 is wrong, though of all above 0.4 only 0.2 are."""
    assert CURVE.within(ErrorBudgets(0.05, 0.2)) == Thresholds(0.7, NEVER)
    assert CURVE.within(ErrorBudgets(0.05, 0.36)) == Thresholds(0.7, 0.4)
    assert CURVE.within(ErrorBudgets(0.0, 0.2)) == Thresholds(NEVER, 0.4)


def test_no_error_at_all_is_never_promised() -> None:
    """Not even where none was measured."""
    risk = risk_of((0.9, 0.1, 0.0))
    assert risk.within(ErrorBudgets(0.0, 0.0)) == Thresholds(NEVER, NEVER)
    assert risk.within(ErrorBudgets(0.001)).applied == 0.9


@given(counts, st.floats(0, 1), st.floats(0, 1))
def test_budgets_are_kept(
    rows: list[tuple[float, list[tuple[int, int]]]], applied: float, draft: float
) -> None:
    risk = cumulated(rows)
    found = risk.within(ErrorBudgets(applied, draft))
    at = {threshold: row for row, threshold in enumerate(risk.thresholds)}
    above = np.zeros((2, 3), np.int64)
    for threshold, budget in ((found.applied, applied), (found.draft, draft)):
        if threshold == NEVER:
            continue
        here = np.array([risk.conflicts[at[threshold]], risk.wrong[at[threshold]]])
        conflicts, wrong = (here - above).sum(axis=1)
        assert conflicts >= risk.least
        assert wrong <= budget * conflicts
        above = here
    assert found.draft <= found.applied or NEVER in (found.draft, found.applied)


@pytest.mark.parametrize("rows", [((0,), (0,)), ((), ())])
def test_nothing_counted_allows_and_covers_nothing(rows: tuple[tuple[int, ...], ...]) -> None:
    """A bundle from elsewhere may say so."""
    risk = Risk((0.9, 0.5), rows, rows, 0)
    assert risk.within(ErrorBudgets(1.0, 1.0)) == Thresholds(NEVER, NEVER)
    assert (risk.coverage(0.5), risk.coverage(NEVER)) == (0.0, 0.0)


@given(counts)
def test_coverage_grows_as_thresholds_fall(rows: list[tuple[float, list[tuple[int, int]]]]) -> None:
    risk = cumulated([(1.0, [(1, 0)] * 3), *((threshold * 0.9, found) for threshold, found in rows)])
    found = [risk.coverage(threshold) for threshold in risk.thresholds]
    assert found == sorted(found)
    assert (found[-1], risk.coverage(NEVER)) == (1.0, 0.0)


def test_repositories_that_differ_call_for_caution() -> None:
    alike, apart = (np.array([row]) for row in ([5, 5], [0, 10]))
    conflicts = np.array([[50, 50]])
    assert cautious_errors(conflicts, apart)[0] > cautious_errors(conflicts, alike)[0] + 0.03


@pytest.mark.parametrize(
    ("probability", "tier"),
    [(1.0, Tier.APPLIED), (0.9, Tier.APPLIED), (0.89, Tier.DRAFT), (0.5, Tier.DRAFT), (0.49, Tier.SUGGESTED)],
)
def test_thresholds_part_the_tiers(probability: float, tier: Tier) -> None:
    assert Thresholds(0.9, 0.5).tier(probability) is tier
