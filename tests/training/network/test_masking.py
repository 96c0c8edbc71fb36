from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.ranking.columns import GAP, NEWLINE, PAD, START
from mergebert.training.network.masking import MASK, SIDES, masked

FIRST = NEWLINE + 3  # an ordinary subword


def batch(seed: int, words: int = 4, shape: tuple[int, int] = (6, 40)) -> np.ndarray:
    """Columns whose sides often agree, with gaps, a start, and padding behind."""
    draw = np.random.default_rng(seed)
    ids = np.repeat(draw.integers(FIRST, FIRST + words, (*shape, 1)), SIDES, axis=2)
    other = draw.integers(FIRST, FIRST + words, ids.shape)
    ids = np.where(draw.random(ids.shape) < 0.3, other, ids)
    ids[draw.random(ids.shape) < 0.15] = GAP
    ids[:, 0] = START
    for row in range(shape[0]):
        ids[row, shape[1] - 5 * row :] = PAD
    return ids


@given(st.integers(0, 200), st.floats(0.05, 0.8))
def test_only_subwords_are_hidden_and_every_hidden_value_is_asked_for_once(seed: int, share: float) -> None:
    ids = batch(seed)
    found = masked(ids, share, np.random.default_rng(seed))
    hidden = found.ids != ids
    assert (found.ids[hidden] == MASK).all()
    assert not (hidden & np.isin(ids, (PAD, GAP, START))).any()
    assert not (found.asked & ~hidden).any()
    for row, column in np.argwhere(hidden.any(-1)):
        values = ids[row, column][hidden[row, column]].tolist()
        asked = ids[row, column][found.asked[row, column]].tolist()
        assert sorted(asked) == sorted(set(values))


@given(st.integers(0, 200))
def test_what_is_hidden_stands_nowhere_else_in_its_column(seed: int) -> None:
    """Or it would only be copied."""
    ids = batch(seed)
    found = masked(ids, 0.4, np.random.default_rng(seed))
    hidden = found.ids != ids
    seen_elsewhere = (ids[:, :, :, None] == np.where(hidden, -1, ids)[:, :, None, :]).any(-1)
    assert not (hidden & seen_elsewhere).any()


def test_where_sides_differ_one_side_or_all_are_hidden() -> None:
    ids = np.broadcast_to(np.array([FIRST, FIRST + 1, FIRST + 2]), (50, 60, 3)).copy()
    counts = (masked(ids, 0.5, np.random.default_rng(0)).ids == MASK).sum(-1).ravel()
    assert set(counts.tolist()) == {0, 1, 3}
    assert 0.3 < (counts == 1).sum() / (counts > 0).sum() < 0.7


@pytest.mark.parametrize("share", [0.15, 0.3, 0.6])
def test_the_share_is_about_what_was_wished_and_comes_in_spans(share: float) -> None:
    ids = np.full((100, 200, 3), FIRST)
    hidden = (masked(ids, share, np.random.default_rng(1)).ids == MASK).all(-1)
    assert hidden.mean() == pytest.approx(share, abs=0.05)
    starts = hidden & ~np.pad(hidden, ((0, 0), (1, 0)))[:, :-1]
    assert hidden.sum() / starts.sum() > 2.0


def test_columns_whose_sides_differ_are_told_from_the_others() -> None:
    ids = np.array([[[START] * 3, [FIRST] * 3, [FIRST, FIRST, FIRST + 1], [GAP, FIRST, GAP]]])
    assert masked(ids, 0.5, np.random.default_rng(0)).changed.tolist() == [[False, False, True, True]]


def test_the_same_seed_hides_the_same() -> None:
    one, two, other = (masked(batch(1), 0.3, np.random.default_rng(seed)).ids for seed in (5, 5, 6))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
