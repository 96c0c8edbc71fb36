from __future__ import annotations

from math import isnan, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.ranking.neighbours import (
    GROUPS,
    KINDS,
    NEIGHBOUR_FEATURES,
    Prediction,
    chosen_distribution,
    kind_of,
    neighbour_features,
)
from mergebert.text.candidates import Candidate, Origin, candidates
from mergebert.text.languages import LANGUAGES, Language
from mergebert.text.markers import Conflict
from mergebert.text.patterns import Pattern
from tests.mergebert.strategies import conflicts

OURS, THEIRS, BASE, MERGE = (KINDS.index(name) for name in ("ours", "theirs", "base", "merge"))


def named_features(
    predictions: list[Prediction], wanted: list[int] | None = None
) -> list[list[dict[str, np.float32]]]:
    """The rows of the candidates of each conflict by name."""
    return [
        [dict(zip(NEIGHBOUR_FEATURES, row, strict=True)) for row in rows[:-1]]
        for rows in neighbour_features(predictions, wanted)
    ]


def predicted(file: int, answer: str = "", **kinds: float) -> Prediction:
    """A first prediction of the kinds of candidates, and the kind a person chose, if one did."""
    names = [name.replace("_", "+") for name in kinds]
    chosen = np.array([float(name == answer) for name in names]) if answer else None
    return Prediction(
        file, np.array([KINDS.index(name) for name in names]), np.array(list(kinds.values())), chosen
    )


@st.composite
def merges(draw: st.DrawFn) -> list[Prediction]:
    """Predictions for the conflicts of one merge, file by file."""
    found = []
    for file in range(draw(st.integers(1, 3))):
        for _ in range(draw(st.integers(1, 3))):
            kinds = draw(st.lists(st.integers(0, len(KINDS) - 1), min_size=1, max_size=5))
            weights = np.array(draw(st.lists(st.floats(0.01, 1.0), min_size=len(kinds), max_size=len(kinds))))
            left = draw(st.floats(0.5, 1.0))  # the rest is on "none of these"
            answer = np.eye(len(kinds))[0] if draw(st.booleans()) else None
            found.append(Prediction(file, np.array(kinds), left * weights / weights.sum(), answer))
    return found


@given(merges())
def test_every_candidate_has_a_row_and_none_of_them_one_of_what_all_share(
    predictions: list[Prediction],
) -> None:
    found = neighbour_features(predictions)
    assert [rows.shape for rows in found] == [
        (len(one.kinds) + 1, len(NEIGHBOUR_FEATURES)) for one in predictions
    ]
    for *rows, none in found:
        for at, name in enumerate(NEIGHBOUR_FEATURES):
            if name in ("others_in_file", "others_in_merge", "answers_known", "first entropy"):
                assert {row[at] for row in rows} == {none[at]}
            else:
                assert isnan(none[at])


@given(merges())
def test_some_conflicts_are_told_what_they_are_told_among_all(predictions: list[Prediction]) -> None:
    everything = neighbour_features(predictions)
    wanted = list(range(0, len(predictions), 2))
    for at, rows in zip(wanted, neighbour_features(predictions, wanted), strict=True):
        assert np.array_equal(rows, everything[at], equal_nan=True)


@given(merges())
def test_values_are_probabilities_counts_or_unknown(predictions: list[Prediction]) -> None:
    for one, rows in zip(predictions, named_features(predictions), strict=True):
        assert sorted(row["first rank"] for row in rows) == list(range(len(rows)))
        for row, probability in zip(rows, one.probabilities, strict=True):
            assert row["first"] == np.float32(probability)
            assert row["first to best"] <= 0.0 <= row["first entropy"] + 1e-6
            shares = [
                value
                for name, value in row.items()
                if name.endswith((" kind", *(f" {group}" for group in GROUPS)))
            ]
            assert all(
                isnan(share) or -1e-9 <= share <= 1.0 + 1e-9 for share in shares if share is not row["kind"]
            )


@given(merges())
def test_a_conflict_knows_its_first_prediction_but_never_its_own_answer(
    predictions: list[Prediction],
) -> None:
    at = len(predictions) // 2
    one = predictions[at]
    changed = Prediction(
        one.file, one.kinds, one.probabilities, None if one.answer is not None else np.eye(len(one.kinds))[-1]
    )
    before, after = (
        named_features([*predictions[:at], own, *predictions[at + 1 :]])[at] for own in (one, changed)
    )
    assert np.array_equal(
        [[*row.values()] for row in before], [[*row.values()] for row in after], equal_nan=True
    )


@given(merges())
def test_the_prediction_for_a_conflict_changes_nothing_its_neighbours_say(
    predictions: list[Prediction],
) -> None:
    at = len(predictions) // 2
    one = predictions[at]
    changed = Prediction(one.file, one.kinds, one.probabilities[::-1] * 0.5, one.answer)
    before, after = (
        named_features([*predictions[:at], own, *predictions[at + 1 :]])[at] for own in (one, changed)
    )
    for row, other in zip(before, after, strict=True):
        for name in row:
            assert (
                name.startswith("first")
                or row[name] == other[name]
                or (isnan(row[name]) and isnan(other[name]))
            )


def test_the_others_are_averaged() -> None:
    predictions = [
        predicted(0, ours=0.6, theirs=0.4),
        predicted(0, ours=0.2, theirs=0.8),
        predicted(1, ours=1.0, theirs=0.0),
        predicted(1, answer="theirs", ours=0.7, theirs=0.3),
    ]
    ours, theirs = named_features(predictions)[0]
    assert (ours["file kind"], theirs["file kind"]) == (np.float32(0.2), np.float32(0.8))
    assert (ours["merge kind"], theirs["merge kind"]) == (pytest.approx(0.4), pytest.approx(0.6))
    assert (ours["answers kind"], theirs["answers kind"]) == (0.0, 1.0)
    assert isnan(ours["file_answers kind"])
    assert isnan(ours["previous kind"])
    assert ours["next kind"] == np.float32(0.2)
    assert (ours["others_in_file"], ours["others_in_merge"], ours["answers_known"]) == (1, 3, 1)
    assert (ours["first rank"], theirs["first rank"]) == (0.0, 1.0)
    assert ours["first entropy"] == pytest.approx(-(0.6 * log(0.6) + 0.4 * log(0.4)), abs=1e-6)
    assert ours["merge one side ours"] == pytest.approx(0.4)
    assert (ours["kind"], theirs["kind"]) == (OURS, THEIRS)


def test_neighbours_are_of_the_same_file() -> None:
    predictions = [predicted(0, ours=1.0), predicted(1, theirs=1.0), predicted(1, ours=1.0)]
    [first], [second], [third] = named_features(predictions)
    assert isnan(first["next kind"]) and isnan(second["previous kind"]) and isnan(third["next kind"])
    assert (second["next kind"], third["previous kind"]) == (0.0, 0.0)


def test_both_together_are_one_group() -> None:
    predictions = [predicted(0, ours_theirs=0.5, merge=0.5), predicted(0, union=0.7, base=0.3)]
    row = named_features(predictions)[0][0]
    assert (row["file both"], row["file neither"]) == (pytest.approx(0.7), pytest.approx(0.3))
    assert row["file group"] == pytest.approx(0.7)
    assert row["file kind"] == 0.0


def test_a_conflict_alone_knows_nothing_of_others() -> None:
    [[row]] = named_features([predicted(0, ours=1.0)])
    assert isnan(row["merge kind"]) and isnan(row["file kind"])
    assert row["others_in_merge"] == 0


@given(conflicts, st.sampled_from(LANGUAGES))
def test_every_candidate_has_a_kind(conflict: Conflict, language: Language) -> None:
    for option in candidates(conflict, language):
        assert 0 <= kind_of(option) < len(KINDS)


@pytest.mark.parametrize(
    ("origins", "kind"),
    [
        ([Origin("tokens", (Pattern.TAKE_OURS,)), Origin("lines", (Pattern.TAKE_THEIRS,))], "theirs"),
        ([Origin("lines", (Pattern.TAKE_BASE,)), Origin("lines", (Pattern.TAKE_OURS,))], "ours"),
        ([Origin("lines", (Pattern.THEIRS_OURS,))], "theirs+ours"),
        ([Origin("lines", (Pattern.OURS_LESS_BASE,)), Origin("tokens")], "merge"),
        ([Origin("line merge", (Pattern.TAKE_OURS,))], "merge"),
        ([Origin("sorted union")], "union"),
        ([Origin("theirs then new")], "union"),
        ([Origin("empty")], "other"),
        ([Origin("lines", (Pattern.OURS_LESS_BASE,))], "other"),
    ],
)
def test_the_plainest_way_gives_the_kind(origins: list[Origin], kind: str) -> None:
    assert KINDS[kind_of(Candidate("x", tuple(origins)))] == kind


def test_an_answer_takes_all_probability() -> None:
    options = [Candidate(text, (Origin("empty"),)) for text in ("a b\n", "c\n", "ab\n")]
    for text, wanted in (("c", [0.0, 1.0, 0.0]), (" ab ", [0.5, 0.0, 0.5])):
        found = chosen_distribution(options, text)
        assert found is not None and found.tolist() == wanted


def test_an_answer_nobody_proposed_says_nothing() -> None:
    assert chosen_distribution([Candidate("a\n", (Origin("empty"),))], "something new\n") is None
