from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mergebert.ranking.risk import NEVER, Risk, cautious_errors
from mergebert.tiers import ErrorBudgets
from mergebert.training.dataset.prepare import UNLIKE
from mergebert.training.ranker.calibration import (
    LEAST_ACTED_ON,
    POINTS,
    best_curve,
    measured_risk,
)
from mergebert.training.ranker.ranked_conflicts import CODE, RankedConflicts


def drawn(count: int, seed: int = 0, repositories: int = 8, honest: bool = True) -> RankedConflicts:
    """RankedConflicts conflicts whose best candidate is right as often as it says, or half as often."""
    draw = np.random.default_rng(seed)
    best = draw.uniform(0.2, 1.0, count)
    hit = draw.random(count) < (best if honest else best / 2)
    rest = draw.random((count, 2)) * (1 - best)[:, None] / 2
    probabilities = [
        np.array([one, *sorted(others, reverse=True)]) for one, others in zip(best, rest, strict=True)
    ]
    sameness = [likeness(is_right, not is_right and draw.random() < 0.3, False) for is_right in hit]
    names = [f"own/{at % repositories}" for at in range(count)]
    return RankedConflicts(probabilities, sameness, names, range(count), range(count))


def likeness(*right: bool) -> NDArray[np.int8]:
    """How much each class of candidates is like what people committed: the same code or not at all."""
    return np.where(right, CODE, UNLIKE).astype(np.int8)


def twice(one: RankedConflicts) -> RankedConflicts:
    """The same conflicts seen in two views."""
    return RankedConflicts(*([*getattr(one, part.name)] * 2 for part in fields(one)))


@given(st.integers(0, 20), st.booleans())
def test_curves_are_increasing_probabilities(seed: int, honest: bool) -> None:
    ranked = drawn(300, seed, honest=honest)
    curve = best_curve(ranked)
    scores, values = zip(*curve, strict=True)
    assert (scores[0], scores[-1]) == (0.0, 1.0)
    assert (np.diff(scores) > 0).all() and (np.diff(values) > 0).all()
    assert values[0] > 0.0 and values[-1] < 1.0
    assert len(curve) <= POINTS + 2


def test_an_honest_ranker_is_believed_and_a_boasting_one_is_not() -> None:
    for honest, factor in ((True, 1.0), (False, 0.5)):
        scores, values = zip(*best_curve(drawn(6000, honest=honest)), strict=True)
        for score in (0.3, 0.5, 0.7, 0.9):
            assert np.interp(score, scores, values) == pytest.approx(score * factor, abs=0.06)


def curve_of(ranked: RankedConflicts, best: list[tuple[float, float]]) -> list[tuple[float, float, float]]:
    """(threshold, coverage, error) of every threshold with enough conflicts behind it."""
    risk = measured_risk(ranked, best)
    conflicts, wrong = np.array(risk.conflicts), np.array(risk.wrong)
    errors = cautious_errors(conflicts, wrong)
    return [
        (threshold, risk.coverage(threshold), float(error))
        for threshold, error, total in zip(risk.thresholds, errors, conflicts.sum(axis=1), strict=True)
        if total >= risk.least
    ]


def applied_at(risk: Risk, budget: float) -> float:
    return risk.within(ErrorBudgets(budget)).applied


@given(st.integers(0, 20))
def test_a_lower_threshold_covers_more(seed: int) -> None:
    ranked = drawn(400, seed)
    curve = curve_of(ranked, best_curve(ranked))
    thresholds, coverage, error = zip(*curve, strict=True)
    assert (np.diff(thresholds) < 0).all()
    assert (np.diff(coverage) > 0).all() and coverage[-1] == 1.0
    assert coverage[0] >= LEAST_ACTED_ON / 400
    assert error[-1] >= float(1 - ranked.is_right.mean())


def test_luck_at_the_top_hides_nothing_and_bad_luck_there_forbids_nothing() -> None:
    """The error of a threshold is that of all it applies: wrong ones among the surest count for as many as they are."""
    one = drawn(1000, repositories=1000)
    order = np.argsort(-one.best)
    sameness = list(one.sameness)
    for place, at in enumerate(order):
        sameness[at] = likeness(place >= LEAST_ACTED_ON // 2, False, False)
    ranked = replace(one, sameness=sameness)
    straight = [(0.0, 0.0), (1.0, 1.0)]
    curve = curve_of(ranked, straight)
    assert curve[0][2] > 0.4
    assert 0.03 < curve[-1][2] < 0.05
    assert applied_at(measured_risk(ranked, straight), 0.05) == curve[-1][0]


def test_equal_confidences_are_applied_together() -> None:
    one = drawn(600)
    rounded = [np.array([round(float(row[0]), 1), *row[1:]]) for row in one.probabilities]
    ranked = replace(one, probabilities=rounded)
    curve = curve_of(ranked, [(0.0, 0.0), (1.0, 1.0)])
    assert 1 < len(curve) <= 9
    for threshold, coverage, _ in curve:
        assert coverage == (ranked.best >= threshold - 1e-9).mean()


def test_the_error_of_a_threshold_is_what_was_measured_there_and_a_little_more() -> None:
    ranked = drawn(3000)
    best = best_curve(ranked)
    scores, values = zip(*best, strict=True)
    confidence = np.interp(ranked.best, scores, values)
    for threshold, coverage, error in curve_of(ranked, best)[5::20]:
        applied = confidence >= threshold
        assert applied.mean() == pytest.approx(coverage)
        assert error >= (~ranked.is_right[applied]).mean()
        assert error <= (~ranked.is_right[applied]).mean() + 0.05


def test_an_error_budget_is_kept_on_other_conflicts() -> None:
    ranked, unseen = drawn(5000, seed=1), drawn(5000, seed=2)
    best = best_curve(ranked)
    risk = measured_risk(ranked, best)
    for budget in (0.1, 0.2, 0.3):
        scores, values = zip(*best, strict=True)
        applied = np.interp(unseen.best, scores, values) >= applied_at(risk, budget)
        assert applied.any()
        assert (~unseen.is_right[applied]).mean() < budget + 0.03


def test_repositories_that_differ_call_for_caution() -> None:
    one = drawn(600, repositories=600)
    errors = {}
    for name, repositories in (("alike", list(one.repositories)), ("apart", ["bad", "good"])):
        names = repositories if name == "alike" else [repositories[int(right)] for right in one.is_right]
        ranked = replace(one, repositories=names)
        errors[name] = curve_of(ranked, best_curve(ranked))[-1][2]
    assert errors["apart"] > errors["alike"] + 0.1


def test_none_wrong_of_a_few_is_not_no_risk() -> None:
    one = drawn(LEAST_ACTED_ON, repositories=LEAST_ACTED_ON)
    ranked = replace(one, sameness=[likeness(True, False, False)] * LEAST_ACTED_ON)
    [(_, coverage, error)] = curve_of(ranked, best_curve(ranked))[-1:]
    assert coverage == 1.0
    assert error > 1 / (LEAST_ACTED_ON + 2)


def test_a_conflict_seen_in_two_views_counts_once() -> None:
    both = twice(drawn(LEAST_ACTED_ON - 1))
    assert curve_of(both, best_curve(both)) == []
    both = twice(drawn(LEAST_ACTED_ON))
    assert [point[1] for point in curve_of(both, best_curve(both))] == [1.0]
    # The same number in another repository is another conflict.
    names = [f"{at}" for at in range(len(both.numbers))]
    apart = replace(both, repositories=names, numbers=[0] * len(names))
    assert len(curve_of(apart, best_curve(apart))) > 1


def test_too_few_conflicts_allow_nothing() -> None:
    ranked = drawn(LEAST_ACTED_ON - 1)
    assert applied_at(measured_risk(ranked, best_curve(ranked)), 1.0) == NEVER


def test_drafts_are_right_as_often_as_their_budget_asks() -> None:
    ranked, unseen = drawn(5000, seed=1), drawn(5000, seed=2)
    best = best_curve(ranked)
    scores, values = zip(*best, strict=True)
    found = measured_risk(ranked, best).within(ErrorBudgets(0.1, 0.3))
    confidence = np.interp(unseen.best, scores, values)
    drafts = (confidence >= found.draft) & (confidence < found.applied)
    assert drafts.mean() > 0.1
    assert (~unseen.is_right[drafts]).mean() < 0.33


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    ranked = drawn(2000)
    curve = curve_of(ranked, best_curve(ranked))
    assert len(curve) <= 4 * POINTS
    assert curve[-1][1] == 1.0
    assert curve[0][1] < 0.1
