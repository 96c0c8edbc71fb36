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
    band_rows,
    collision_probability,
    jaccard,
    lsh_index,
    minhash,
    shingles,
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
    found = jaccard(shingles(" ".join(one), PYTHON, 0), shingles(" ".join(other), PYTHON, 0))
    assert found == pytest.approx((left & right).total() / (left | right).total())


def test_white_space_is_nothing_and_roles_and_missing_texts_are_something() -> None:
    assert jaccard(shingles("a  b\n", PYTHON, 0), shingles("a b", PYTHON, 0)) == 1
    assert jaccard(shingles("a b", PYTHON, 0), shingles("a b", PYTHON, 1)) == 0
    assert jaccard(shingles(None, PYTHON, 0), shingles("", PYTHON, 0)) == 0
    assert jaccard(shingles("", PYTHON, 0), shingles(" \n", PYTHON, 0)) == 1


def test_signatures_are_as_equal_as_sets_are_alike() -> None:
    draw = np.random.default_rng(0)
    for alike in (0.2, 0.5, 0.8):
        estimates = []
        for _ in range(60):
            numbers = draw.choice(2**32, 600, replace=False).astype(np.uint32)
            shared, own = int(600 * alike), (600 - int(600 * alike)) // 2
            one = np.sort(numbers[: shared + own])
            other = np.sort(np.concatenate((numbers[:shared], numbers[shared + own :])))
            estimates.append(minhash(one).jaccard(minhash(other)))
        assert np.mean(estimates) == pytest.approx(alike, abs=0.03)


def test_a_long_text_is_signed_piece_by_piece() -> None:
    numbers = np.arange(0, 2**20, 7, dtype=np.uint32)
    parts = [minhash(part) for part in np.array_split(numbers, 2)]
    assert minhash(numbers) == MinHash.union(*parts)


def test_signatures_never_change() -> None:
    # Flags that are written must be found again: no random state, no hash seed, no other permutations in a later library.
    signed = minhash(shingles("def f(x):\n    return x + 1\n", PYTHON, 0))
    assert signed.digest()[:3].tolist() == GOLDEN


def test_signatures_do_not_share_their_state() -> None:
    one, other = (shingles(text, PYTHON, 0) for text in ("a b c", "d e f"))
    before = minhash(one)
    minhash(other)
    assert minhash(one) == before != minhash(other)


def test_the_index_finds_what_is_alike_and_not_the_rest() -> None:
    index = lsh_index(0.85)
    numbers = np.arange(3000, dtype=np.uint32)
    for slot, start in enumerate((0, 1000, 2000)):
        index.insert(slot, minhash(numbers[start : start + 1000]))
    assert index.query(minhash(numbers[1005:2000])) == [1]
    assert index.query(minhash(numbers[:300])) == []


def test_bands_meet_as_surely_as_asked() -> None:
    for threshold in (0.6, 0.85, 0.95):
        rows = band_rows(threshold)
        assert collision_probability(threshold, rows) >= RECALL > collision_probability(threshold, rows + 1)
        assert (lsh_index(threshold).b, lsh_index(threshold).r) == (PERMUTATIONS // rows, rows)
    assert all(
        collision_probability(low, 7) < collision_probability(high, 7)
        for low, high in pairwise((0.3, 0.6, 0.9))
    )


@pytest.mark.parametrize("threshold", [0.5, 1.0])
def test_the_thresholds_at_the_ends_have_an_index_too(threshold: float) -> None:
    index, signed = lsh_index(threshold), minhash(np.arange(100, dtype=np.uint32))
    index.insert(0, signed)
    assert index.query(signed) == [0]
