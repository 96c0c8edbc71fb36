from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.languages import by_name
from mergebert_data.sketch import (
    PERMUTATIONS,
    RECALL,
    SHINGLE,
    band_keys,
    likeness,
    meeting,
    rows_of_band,
    shingles,
    signature,
)

PYTHON = by_name("python")
GOLDEN, GOLDEN_BAND = [614319574, 497091627, 1591850431], 13513166707170486219
WORDS = st.lists(st.sampled_from("abcde"), max_size=30)


def counted(words: list[str]) -> Counter[tuple[str, ...]]:
    """The runs of five words with the nothing before the first, each as often as it comes."""
    padded = [""] * (SHINGLE - 1) + (words or [""])
    return Counter(tuple(padded[at : at + SHINGLE]) for at in range(max(1, len(words))))


@given(WORDS, WORDS)
def test_likeness_is_the_share_of_runs_that_both_have_as_often(one: list[str], other: list[str]) -> None:
    left, right = counted(one), counted(other)
    found = likeness(shingles(" ".join(one), PYTHON, 0), shingles(" ".join(other), PYTHON, 0))
    assert found == pytest.approx((left & right).total() / (left | right).total())


def test_white_space_is_nothing_and_roles_and_missing_texts_are_something() -> None:
    assert likeness(shingles("a  b\n", PYTHON, 0), shingles("a b", PYTHON, 0)) == 1
    assert likeness(shingles("a b", PYTHON, 0), shingles("a b", PYTHON, 1)) == 0
    assert likeness(shingles(None, PYTHON, 0), shingles("", PYTHON, 0)) == 0
    assert likeness(shingles("", PYTHON, 0), shingles(" \n", PYTHON, 0)) == 1


def test_signatures_are_as_equal_as_sets_are_alike() -> None:
    draw = np.random.default_rng(0)
    for alike in (0.2, 0.5, 0.8):
        estimates = []
        for _ in range(60):
            numbers = draw.choice(2**32, 600, replace=False).astype(np.uint32)
            shared, own = int(600 * alike), (600 - int(600 * alike)) // 2
            one = np.sort(numbers[: shared + own])
            other = np.sort(np.concatenate((numbers[:shared], numbers[shared + own :])))
            estimates.append(np.mean(signature(one) == signature(other)))
        assert np.mean(estimates) == pytest.approx(alike, abs=0.03)


def test_a_long_text_is_signed_piece_by_piece() -> None:
    numbers = np.arange(0, 2**20, 7, dtype=np.uint32)
    smallest = np.minimum(*(signature(part) for part in np.array_split(numbers, 2)))
    assert (signature(numbers) == smallest).all()


def test_signatures_never_change() -> None:
    # Flags that are written must be found again by a later version: no random state, no library, no hash seed.
    signed = signature(shingles("def f(x):\n    return x + 1\n", PYTHON, 0))
    assert signed[:3].tolist() == GOLDEN
    assert band_keys(signed, 8)[0] == GOLDEN_BAND


def test_bands_meet_as_surely_as_asked() -> None:
    for threshold in (0.6, 0.85, 0.95):
        rows = rows_of_band(threshold)
        assert meeting(threshold, rows) >= RECALL > meeting(threshold, rows + 1)
    assert rows_of_band(1.0) == PERMUTATIONS
    assert all(meeting(low, 7) < meeting(high, 7) for low, high in pairwise((0.3, 0.6, 0.9)))


def test_a_band_has_a_key_of_its_own_place() -> None:
    same = np.full(PERMUTATIONS, 5, np.uint32)
    keys = band_keys(same, 8)
    assert len(keys) == len(set(keys)) == PERMUTATIONS // 8
    other = same.copy()
    other[0] = 6
    assert [one == two for one, two in zip(keys, band_keys(other, 8), strict=True)] == [False] + [True] * 7
