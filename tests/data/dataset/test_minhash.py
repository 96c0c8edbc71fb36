from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st

from mergebert.text.languages import by_name
from mergebert_data.dataset.minhash import (
    PERMUTATIONS,
    RECALL,
    SHINGLE,
    index_of,
    likeness,
    meeting,
    rows_of_band,
    shingles,
    signature,
)

PYTHON = by_name("python")
GOLDEN = [137601119, 590036401, 51278284]  # of datasketch 2.0.0
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
            estimates.append(signature(one).jaccard(signature(other)))
        assert np.mean(estimates) == pytest.approx(alike, abs=0.03)


def test_a_long_text_is_signed_piece_by_piece() -> None:
    numbers = np.arange(0, 2**20, 7, dtype=np.uint32)
    parts = [signature(part) for part in np.array_split(numbers, 2)]
    assert signature(numbers) == MinHash.union(*parts)


def test_signatures_never_change() -> None:
    # Flags that are written must be found again: no random state, no hash seed, no other permutations in a later library.
    signed = signature(shingles("def f(x):\n    return x + 1\n", PYTHON, 0))
    assert signed.digest()[:3].tolist() == GOLDEN


def test_signatures_do_not_share_their_state() -> None:
    one, other = (shingles(text, PYTHON, 0) for text in ("a b c", "d e f"))
    before = signature(one)
    signature(other)
    assert signature(one) == before != signature(other)


def test_the_index_finds_what_is_alike_and_not_the_rest() -> None:
    index = index_of(0.85)
    numbers = np.arange(3000, dtype=np.uint32)
    for slot, start in enumerate((0, 1000, 2000)):
        index.insert(slot, signature(numbers[start : start + 1000]))
    assert index.query(signature(numbers[1005:2000])) == [1]
    assert index.query(signature(numbers[:300])) == []


def test_bands_meet_as_surely_as_asked() -> None:
    for threshold in (0.6, 0.85, 0.95):
        rows = rows_of_band(threshold)
        assert meeting(threshold, rows) >= RECALL > meeting(threshold, rows + 1)
        assert (index_of(threshold).b, index_of(threshold).r) == (PERMUTATIONS // rows, rows)
    assert all(meeting(low, 7) < meeting(high, 7) for low, high in pairwise((0.3, 0.6, 0.9)))


@pytest.mark.parametrize("threshold", [0.5, 1.0])
def test_the_thresholds_at_the_ends_have_an_index_too(threshold: float) -> None:
    index, signed = index_of(threshold), signature(np.arange(100, dtype=np.uint32))
    index.insert(0, signed)
    assert index.query(signed) == [0]
