from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from mergebert.text.equivalence import Level
from mergebert.tiers import Tier
from mergebert.training.evaluation.metrics import (
    ALL,
    SIX,
    ConflictId,
    Figure,
    Outcome,
    View,
    by_language,
    calibration_error,
    cleaned,
    differences,
    figures,
    reliability,
    risk_coverage,
    sampled_conflicts,
    summary,
)

BY_MERGE = View(is_by_merge=True)


def outcome(*right: bool, repository: str = "a/a", merge: str = "1", confidence: float = 0.5) -> Outcome:
    return Outcome(repository, merge, "java", levels(*right), confidence)


def levels(*right: bool) -> tuple[Level | None, ...]:
    return tuple(Level.CODE if one else None for one in right)


def drawn(count: int, seed: int = 0) -> list[Outcome]:
    """Outcomes of five repositories whose confidence is honest."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        confidence = round(draw.random(), 2)
        right = (draw.random() < confidence, draw.random() < 0.3)
        found.append(
            Outcome(
                f"o/{draw.randrange(5)}",
                f"m{number // 7}",
                draw.choice(("java", "go", "ruby")),
                levels(*right),
                confidence,
                Tier.APPLIED if confidence > 0.8 else Tier.SUGGESTED,
            )
        )
    return found


def value(found: dict[str, Figure], name: str) -> float:
    answer = found[name].value
    assert answer is not None
    return answer


def test_accuracy_counts_conflicts_nobody_answered() -> None:
    found = figures(
        [outcome(True), outcome(False, False, True), outcome(), outcome(False, False, False, True)]
    )
    assert value(found, "accuracy@1") == 0.25
    assert value(found, "accuracy@3") == 0.5
    assert value(found, "ceiling") == 0.75
    assert value(found, "answered") == 0.75


def test_each_level_of_sameness_has_figures_of_its_own() -> None:
    ranked = [replace(outcome(), levels=(level,)) for level in (*Level, None)]
    shares = [value(figures(ranked, view=View(level)), "accuracy@1") for level in Level]
    assert shares == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_cleaned_labels_leave_out_what_was_thrown_away() -> None:
    assert cleaned([outcome(True), replace(outcome(False), is_cleaned=False)]) == [outcome(True)]


def test_each_merge_weighs_the_same_in_the_mean_over_merges() -> None:
    small, large = outcome(True, merge="1"), [outcome(False, merge="2")] * 3
    found = figures([small, *large])
    assert value(found, "accuracy@1") == 0.25
    assert value(figures([small, *large], view=BY_MERGE), "accuracy@1") == pytest.approx(0.5)
    # The same commit in two repositories is two merges.
    apart = [small, *(replace(one, merge="1", repository="b/b") for one in large)]
    assert value(figures(apart, view=BY_MERGE), "accuracy@1") == pytest.approx(0.5)


def test_coverage_with_one_vote_a_merge() -> None:
    sure = [outcome(True, merge="1", confidence=0.9)] * 3
    unsure = [outcome(False, merge="2", confidence=0.1)]
    assert value(figures([*sure, *unsure]), "coverage at 90%") == pytest.approx(0.75)
    assert value(figures([*sure, *unsure], view=BY_MERGE), "coverage at 90%") == pytest.approx(0.5)


def test_precision_and_coverage_of_what_is_accepted() -> None:
    sure = replace(outcome(True), tier=Tier.APPLIED, intact=True)
    found = figures([sure, sure, replace(sure, levels=(None,), intact=False), outcome(False)])
    assert value(found, "coverage") == 0.75
    assert value(found, "precision") == pytest.approx(2 / 3)
    assert value(found, "intact") == pytest.approx(2 / 3)


def test_what_nobody_can_tell_is_left_out_of_syntax() -> None:
    found = figures([replace(outcome(True), parses=verdict) for verdict in (True, True, False, None)])
    assert value(found, "parses") == pytest.approx(2 / 3)
    assert found["intact"] == Figure(None)
    assert found["precision"] == Figure(None)


def test_coverage_at_a_precision_goes_as_far_as_it_holds() -> None:
    hits = [True] * 9 + [False] + [True] * 10 + [False] * 5
    ranked = [outcome(hit, confidence=1 - at / 100) for at, hit in enumerate(hits)]
    found = figures(ranked)
    assert value(found, "coverage at 90%") == 21 / 25  # 19 of 21
    assert value(found, "coverage at 95%") == 20 / 25  # exactly 19 of 20
    assert value(found, "coverage at 99%") == 9 / 25


def test_equal_confidence_cannot_be_told_apart_by_a_threshold() -> None:
    found = figures([outcome(True), outcome(False)])
    assert value(found, "coverage at 90%") == 0
    coverage, error = risk_coverage([outcome(True), outcome(False)])
    assert (coverage.tolist(), error.tolist()) == ([1.0], [0.5])


def test_risk_and_coverage_start_with_the_most_confident() -> None:
    ranked = [outcome(False, confidence=0.2), outcome(True, confidence=0.9), outcome()]
    coverage, error = risk_coverage(ranked)
    assert coverage.tolist() == pytest.approx([1 / 3, 2 / 3])
    assert error.tolist() == [0.0, 0.5]


def test_calibration_error_is_the_gap_inside_bins() -> None:
    honest = [outcome(at < 8, confidence=0.8) for at in range(10)]
    assert calibration_error(honest) == pytest.approx(0)
    bold = [outcome(at < 5, confidence=0.9) for at in range(10)]
    assert calibration_error(bold) == pytest.approx(0.4)
    assert np.isnan(calibration_error([outcome()]))


def test_bins_hold_about_as_many_each_and_lose_none() -> None:
    ranked = [outcome(True, confidence=at / 300) for at in range(300)]
    bins = reliability(ranked)
    assert len(bins) == 15
    assert sum(one.count for one in bins) == 300
    assert max(one.count for one in bins) - min(one.count for one in bins) <= 2
    assert [one.confidence for one in bins] == sorted(one.confidence for one in bins)


def test_honest_confidence_measures_as_honest() -> None:
    assert calibration_error(drawn(4000)) < 0.03


def test_the_order_of_outcomes_is_no_matter() -> None:
    ranked = drawn(300)
    shuffled = random.Random(1).sample(ranked, len(ranked))
    for name, figure in figures(ranked, resamples=100).items():
        other = figures(shuffled, resamples=100)[name]
        assert (figure.value, figure.low, figure.high) == pytest.approx((other.value, other.low, other.high))


def test_intervals_hold_the_value_and_depend_on_the_seed_alone() -> None:
    ranked = drawn(500)
    found = figures(ranked, seed=3, resamples=200)
    accuracy = found["accuracy@1"]
    assert accuracy.low is not None and accuracy.high is not None and accuracy.value is not None
    assert accuracy.low < accuracy.value < accuracy.high
    assert found == figures(ranked, seed=3, resamples=200)
    assert found["accuracy@1"] != figures(ranked, seed=4, resamples=200)["accuracy@1"]


def test_intervals_are_those_of_a_plain_loop_over_resamples() -> None:
    ranked = drawn(200)
    draw = np.random.default_rng(0)
    names = sorted({one.repository for one in ranked})
    plain = []
    for counts in draw.multinomial(len(names), np.full(len(names), 1 / len(names)), size=50):
        again = [
            one
            for name, count in zip(names, counts, strict=True)
            for one in ranked
            if one.repository == name
            for _ in range(count)
        ]
        plain.append({name: figure.value for name, figure in figures(again, resamples=0).items()})
    found = figures(ranked, resamples=50)
    for name in ("accuracy@3", "precision", "coverage at 90%"):
        low, high = np.percentile([values[name] for values in plain], (2.5, 97.5))
        assert (found[name].low, found[name].high) == pytest.approx((low, high))


def test_two_repositories_have_no_interval() -> None:
    found = figures([outcome(True), outcome(False, repository="b/b")])
    assert found["accuracy@1"] == Figure(0.5)


def test_no_outcomes_have_no_figures() -> None:
    assert figures([]) == {}
    assert differences([], []) == {}
    assert by_language([]) == {}


def test_nothing_answered_is_measured_all_the_same() -> None:
    found = figures([outcome(repository=name) for name in "abc"])
    assert found["accuracy@1"] == Figure(0.0, 0.0, 0.0)
    assert found["coverage at 90%"] == Figure(0.0, 0.0, 0.0)
    assert found["calibration error"] == Figure(None)


def test_differences_are_paired() -> None:
    ranked = drawn(300)
    better = [
        replace(one, levels=(Level.CODE, *one.levels[1:])) if at % 10 == 0 else one
        for at, one in enumerate(ranked)
    ]
    found = differences(better, ranked, resamples=200)["accuracy@1"]
    alone = figures(ranked, resamples=200)["accuracy@1"]
    assert None not in (found.low, found.high, alone.low, alone.high)
    assert found.high - found.low < (alone.high - alone.low)  # type: ignore[operator]
    assert differences(ranked, ranked)["accuracy@1"] == Figure(0.0, 0.0, 0.0)


def test_only_the_same_conflicts_can_be_compared() -> None:
    with pytest.raises(ValueError, match="same conflicts"):
        differences([outcome(True)], [outcome(True, merge="2")])


def test_groups_by_language() -> None:
    groups = by_language(drawn(100))
    assert list(groups) == [SIX, ALL, "java", "go", "ruby"]
    assert len(groups[SIX]) == len(groups["java"]) + len(groups["go"])
    assert len(groups[ALL]) == 100


def places(merge: str, count: int) -> list[ConflictId]:
    return [ConflictId("a/a", merge, f"file{at // 5}.py", at % 5) for at in range(count)]


def test_at_most_ten_of_a_merge_count() -> None:
    kept = sampled_conflicts([*places("1", 40), *places("2", 3)])
    assert Counter(place.merge for place in kept) == {"1": 10, "2": 3}


def test_the_draw_depends_on_the_seed_and_not_on_the_order() -> None:
    some = places("1", 40)
    assert sampled_conflicts(some) == sampled_conflicts(reversed(some))
    assert sampled_conflicts(some) != sampled_conflicts(some, seed=1)
    assert sampled_conflicts(some, most=4) < sampled_conflicts(some, most=5)


def test_figures_of_no_conflicts_are_none_and_no_numbers() -> None:
    """Which JSON has no word for."""
    found = summary([])
    assert found.pop("conflicts") == 0
    assert set(found.values()) == {None}
