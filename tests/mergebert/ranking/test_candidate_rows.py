from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.ranking.candidate_rows import gaps_ranks_entropies, softmax, with_none


def test_softmax_adds_up_to_one_in_each_conflict() -> None:
    found = softmax(np.array([1.0, 2.0, -700.0, 700.0, 0.0]), [2, 2, 1])
    assert np.add.reduceat(found, [0, 2, 4]) == pytest.approx(np.ones(3))
    assert found[0] / found[1] == pytest.approx(np.exp(-1.0))
    assert found[4] == 1.0


@given(st.lists(st.floats(-500, 500, width=32), min_size=1, max_size=9))
def test_softmax_is_a_distribution_in_the_same_order(values: list[float]) -> None:
    found = softmax(np.array(values, np.float32), [len(values)])
    assert found.sum() == pytest.approx(1.0)
    assert (np.diff(found[np.argsort(values, kind="stable")]) >= 0).all()


def test_candidates_are_compared_within_their_conflict() -> None:
    gaps, ranks, entropies = gaps_ranks_entropies(np.array([0.2, 0.8, 0.5, 0.5, 1.0]), [2, 2, 1])
    assert gaps == pytest.approx([-0.6, 0.0, 0.0, 0.0, 0.0])
    assert ranks.tolist() == [1, 0, 0, 1, 0]
    assert entropies == pytest.approx([0.500402] * 2 + [np.log(2)] * 2 + [0.0], abs=1e-6)


def test_a_row_for_none_of_these_stands_behind_each_conflict() -> None:
    found = with_none(np.array([[1.0], [2.0], [3.0]]), [1, 2])
    assert found.dtype == np.float32
    assert np.array_equal(found.ravel(), [1, np.nan, 2, 3, np.nan], equal_nan=True)
