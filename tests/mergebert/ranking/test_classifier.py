from __future__ import annotations

from math import exp, log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.ranking.classifier import (
    BATCH_COLUMNS,
    CLASSIFIER_FEATURES,
    OnnxClassifier,
    Scores,
    candidate_logs,
    classifier_features,
    length_buckets,
    padded,
)
from mergebert.ranking.columns import CONFLICT_CLASSES, MAX_COLUMNS, PAD, Columns, conflict_class
from mergebert.ranking.ranker import Ranker, matrix
from mergebert.text.candidates import Candidate, ConflictDiff, Origin, candidates
from mergebert.text.languages import by_name
from mergebert.text.markers import Conflict
from mergebert.text.patterns import PATTERNS, PRIOR, Pattern
from tests.mergebert.strategies import conflicts
from tests.mergebert.tiny_bundle import write_classifier, write_linear

JAVA = by_name("java")
lengths = st.lists(st.integers(1, MAX_COLUMNS), max_size=60)


def columns(length: int, heads: tuple[int, ...] = ()) -> Columns:
    return Columns(np.full((length, 3), 7, np.int32), np.full((length, 3), 2, np.int32), heads)


def normalised(logits: list[float]) -> np.ndarray:
    return np.log(np.exp(logits) / np.exp(logits).sum()).astype(np.float32)


@given(lengths, st.integers(1, 3000))
def test_buckets_hold_everything_once_and_stay_small(sizes: list[int], limit: int) -> None:
    groups = length_buckets(sizes, limit)
    assert sorted(at for group in groups for at in group) == list(range(len(sizes)))
    assert all(groups)
    for group in groups:
        assert len(group) == 1 or len(group) * max(sizes[at] for at in group) <= limit
    ordered = [sizes[at] for group in groups for at in group]
    assert ordered == sorted(sizes)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_batches_are_padded_behind(sizes: list[int]) -> None:
    ids, kinds = padded([columns(size) for size in sizes])
    assert ids.shape == kinds.shape == (len(sizes), max(sizes), 3)
    for row, size in enumerate(sizes):
        assert (ids[row, :size] == 7).all() and (kinds[row, :size] == 2).all()
        assert (ids[row, size:] == PAD).all() and (kinds[row, size:] == 0).all()


def test_the_probability_of_a_text_is_the_sum_over_the_ways_to_make_it() -> None:
    ours, theirs = Pattern.TAKE_OURS, Pattern.TAKE_THEIRS
    tokens, lines = Origin("tokens", (ours, theirs)), Origin("lines", (ours,))
    classes = np.full(len(CONFLICT_CLASSES), -9.0, np.float32)
    classes[conflict_class(tokens)], classes[conflict_class(lines)] = log(0.5), log(0.2)
    hunks = np.full((2, len(PATTERNS)), -9.0, np.float32)
    hunks[0, PATTERNS.index(ours)], hunks[1, PATTERNS.index(theirs)] = log(0.4), log(0.3)
    scores = Scores(classes, hunks)
    [both, alone] = candidate_logs(scores, [Candidate("x", (tokens, lines)), Candidate("y", (lines,))])
    assert exp(both) == pytest.approx(0.5 * 0.4 * 0.3 + 0.2)
    assert exp(alone) == pytest.approx(0.2)


@given(conflicts, st.data())
def test_what_the_classifier_says_of_candidates(conflict: Conflict, data: st.DataObject) -> None:
    diff = ConflictDiff(conflict, JAVA)
    options = candidates(conflict, JAVA, diff)
    draw = np.random.default_rng(data.draw(st.integers(0, 99)))
    classes = normalised(list(draw.normal(size=len(CONFLICT_CLASSES))))
    hunks = [normalised(list(draw.normal(size=len(PATTERNS)))) for _ in diff.token_diff.disputed]
    scores = Scores(classes, np.array(hunks, np.float32).reshape(-1, len(PATTERNS)))
    *found, none = classifier_features(candidate_logs(scores, options), [len(options)])
    rows = [dict(zip(CLASSIFIER_FEATURES, row.tolist(), strict=True)) for row in found]

    assert np.isnan(none).all()
    assert len(rows) == len(options)
    assert sum(row["network share"] for row in rows) == pytest.approx(1.0)
    assert sorted(row["network rank"] for row in rows) == list(range(len(rows)))
    assert max(row["network to best"] for row in rows) == 0.0
    assert {row["network entropy"] for row in rows} == {rows[0]["network entropy"]}
    ordered = sorted(rows, key=lambda row: row["network rank"])
    assert [row["network log"] for row in ordered] == sorted(
        (row["network log"] for row in rows), reverse=True
    )


def test_the_probability_of_a_text_counts_each_class_once() -> None:
    mixed = [Origin("line merge", (pattern,)) for pattern in (Pattern.TAKE_BASE, Pattern.OURS_LESS_BASE)]
    classes = np.full(len(CONFLICT_CLASSES), log(0.01), np.float32)
    classes[conflict_class(mixed[0])] = log(0.8)
    [logarithm] = candidate_logs(
        Scores(classes, np.zeros((0, 9), np.float32)), [Candidate("x", tuple(mixed))]
    )
    assert exp(logarithm) == pytest.approx(0.8)


def test_token_merges_of_other_patterns_are_other_ways() -> None:
    """One class, but the patterns of the hunks tell them apart."""
    merges = tuple(Origin("tokens", (pattern,)) for pattern in (Pattern.TAKE_OURS, Pattern.OURS_LESS_BASE))
    classes = np.full(len(CONFLICT_CLASSES), log(0.01), np.float32)
    classes[conflict_class(merges[0])] = log(0.8)
    hunks = np.full((1, len(PATTERNS)), log(0.05), np.float32)
    hunks[0, PATTERNS.index(Pattern.TAKE_OURS)] = log(0.6)
    [logarithm] = candidate_logs(Scores(classes, hunks), [Candidate("x", merges)])
    assert exp(logarithm) == pytest.approx(0.8 * (0.6 + 0.05))


def test_a_network_is_asked_in_batches_and_answers_in_order(tmp_path: Path) -> None:
    write_classifier(tmp_path / "model.onnx", {"empty": 2.0}, {"theirs": 1.0})
    asked = [columns(length, (0, 1, -1)[: length % 4]) for length in (9, 3, 250, 1, 120, 250)] * 8
    assert sum(len(one.ids) for one in asked) > BATCH_COLUMNS

    found = OnnxClassifier(tmp_path / "model.onnx").scores(asked)

    assert [len(scores.hunks) for scores in found] == [len(one.heads) for one in asked]
    for scores, one in zip(found, asked, strict=True):
        assert scores.classes.shape == (len(CONFLICT_CLASSES),)
        assert np.exp(scores.classes).sum() == pytest.approx(1.0, abs=1e-5)
        assert scores.classes.argmax() == CONFLICT_CLASSES.index("empty")
        for head, row in zip(one.heads, scores.hunks, strict=True):
            if head >= 0:
                assert PATTERNS[row.argmax()] is Pattern.TAKE_THEIRS
            else:  # cut off: the prior speaks
                assert np.exp(row) == pytest.approx(list(PRIOR.values()), abs=1e-6)


def test_nothing_asked_is_nothing_answered(tmp_path: Path) -> None:
    write_classifier(tmp_path / "model.onnx", {}, {})
    assert OnnxClassifier(tmp_path / "model.onnx").scores([]) == []


def test_a_ranker_turns_scores_into_probabilities(tmp_path: Path) -> None:
    write_linear(tmp_path / "ranker.onnx", {"a": 1.0, "b": -2.0})
    ranker = Ranker(tmp_path / "ranker.onnx", ("a", "b"))
    rows = ranker.rows([{"b": 1.0, "a": 2.0}, {"a": 0.0}, {"c": 5.0}])
    first, second = ranker.probabilities(rows, [2, 1])
    assert first.tolist() == pytest.approx([0.5, 0.5])
    assert second.tolist() == [1.0]
    nothing = ranker.rows([])
    assert [row.tolist() for row in ranker.probabilities(nothing, [0, 0])] == [[], []]
    assert ranker.probabilities(nothing, []) == []


def test_columns_of_other_arrays_stand_where_the_trees_read_them(tmp_path: Path) -> None:
    write_linear(tmp_path / "ranker.onnx", {"a": 1.0, "b": -2.0})
    ranker = Ranker(tmp_path / "ranker.onnx", ("a", "b"))
    found = ranker.rows([{"a": 1.0}, {"a": 2.0}], (("c", "b"), np.array([[5, 3], [6, 4]], np.float32)))
    assert found.tolist() == [[1, 3], [2, 4]]


def test_rows_become_columns_by_name_and_unknown_names_nan() -> None:
    found = matrix([{"a": 1.0, "b": 2.0}, {"b": 3.0, "z": 4.0}], ("b", "c", "a"))
    assert found.dtype == np.float32
    assert np.array_equal(found, np.array([[2, np.nan, 1], [3, np.nan, np.nan]], np.float32), equal_nan=True)
