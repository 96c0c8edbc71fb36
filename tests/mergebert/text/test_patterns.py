from __future__ import annotations

import tracemalloc
from itertools import product
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.text.align import Change, Hunk, three_way_diff
from mergebert.text.patterns import (
    BASE,
    LABEL_HUNKS,
    OURS,
    PATTERNS,
    PRIOR,
    THEIRS,
    Pattern,
    Source,
    apply,
    k_best,
    label,
    merged_sources,
)
from mergebert.text.threeway import ThreeWay
from tests.mergebert.strategies import SMALL_KEYS, edited_keys, key_triples

KeyLists = ThreeWay[list[str]]
any_keys = key_triples | edited_keys()

MIRRORED = {
    Pattern.TAKE_OURS: Pattern.TAKE_THEIRS,
    Pattern.TAKE_BASE: Pattern.TAKE_BASE,
    Pattern.OURS_THEIRS: Pattern.THEIRS_OURS,
    Pattern.OURS_LESS_BASE: Pattern.THEIRS_LESS_BASE,
    Pattern.OURS_THEIRS_LESS_BASE: Pattern.THEIRS_OURS_LESS_BASE,
}
MIRRORED |= {other: one for one, other in MIRRORED.items()}


def whole(keys: KeyLists) -> Hunk:
    return Hunk(Change.DISPUTED, keys.map(lambda side: range(len(side))))


def spelt(keys: KeyLists, sources: list[Source]) -> list[str]:
    sides = tuple(keys)
    return [sides[side][at] for side, at in sources]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (Pattern.TAKE_OURS, "obx"),
        (Pattern.TAKE_THEIRS, "tbx"),
        (Pattern.TAKE_BASE, "ab"),
        (Pattern.OURS_THEIRS, "obxtbx"),
        (Pattern.THEIRS_OURS, "tbxobx"),
        (Pattern.OURS_LESS_BASE, "ox"),
        (Pattern.THEIRS_LESS_BASE, "tx"),
        (Pattern.OURS_THEIRS_LESS_BASE, "oxtx"),
        (Pattern.THEIRS_OURS_LESS_BASE, "txox"),
    ],
)
def test_what_each_pattern_takes(pattern: Pattern, expected: str) -> None:
    keys = ThreeWay(list("ab"), list("obx"), list("tbx"))
    assert "".join(spelt(keys, apply(pattern, whole(keys), keys))) == expected


def test_the_order_of_patterns_is_the_order_of_the_classifier() -> None:
    assert [pattern.value for pattern in PATTERNS] == [
        "ours", "theirs", "base", "ours+theirs", "theirs+ours",
        "ours-base", "theirs-base", "ours+theirs-base", "theirs+ours-base",
    ]  # fmt: skip
    assert tuple(PRIOR) == PATTERNS
    assert sum(PRIOR.values()) == pytest.approx(1.0, abs=0.02)


@given(any_keys, st.sampled_from(PATTERNS))
def test_sources_stand_in_the_hunk_and_none_twice(keys: KeyLists, pattern: Pattern) -> None:
    for hunk in three_way_diff(keys).hunks:
        sources = apply(pattern, hunk, keys)
        assert len(set(sources)) == len(sources)
        assert all(at in tuple(hunk.ranges)[side] for side, at in sources)


@given(any_keys, st.sampled_from(PATTERNS))
def test_swapping_ours_and_theirs_mirrors_patterns(keys: KeyLists, pattern: Pattern) -> None:
    other = {BASE: BASE, OURS: THEIRS, THEIRS: OURS}
    for hunk in three_way_diff(keys).hunks:
        swapped = Hunk(hunk.change, hunk.ranges.swapped())
        mirror = apply(MIRRORED[pattern], swapped, keys.swapped())
        assert [(other[side], at) for side, at in mirror] == apply(pattern, hunk, keys)


@given(SMALL_KEYS, SMALL_KEYS, st.booleans())
def test_the_clean_merge_is_the_changed_side(base: list[str], changed: list[str], trims: bool) -> None:
    for keys in (
        ThreeWay(base, base, changed),
        ThreeWay(base, changed, base),
        ThreeWay(base, changed, changed),
    ):
        diff = three_way_diff(keys, trims)
        assert spelt(keys, merged_sources(diff, keys, ())) == changed


@given(any_keys, st.booleans(), st.data())
def test_label_is_the_inverse_of_apply(keys: KeyLists, trims: bool, data: st.DataObject) -> None:
    diff = three_way_diff(keys, trims)
    count = len(diff.disputed)
    chosen = data.draw(st.lists(st.sampled_from(PATTERNS), min_size=count, max_size=count))
    resolution = spelt(keys, merged_sources(diff, keys, chosen))

    found = label(diff, keys, resolution)

    assert found
    assert len(set(found)) == len(found) <= 64
    assert all(spelt(keys, merged_sources(diff, keys, one)) == resolution for one in found)
    assert tuple(chosen) in found or len(found) == 64


@given(any_keys, SMALL_KEYS)
def test_a_label_never_lies(keys: KeyLists, resolution: list[str]) -> None:
    diff = three_way_diff(keys)
    ways = product(PATTERNS, repeat=len(diff.disputed))
    found = label(diff, keys, resolution, limit=10_000)
    if len(diff.disputed) <= 2:
        assert set(found) == {
            way for way in ways if spelt(keys, merged_sources(diff, keys, way)) == resolution
        }
    else:
        assert all(spelt(keys, merged_sources(diff, keys, way)) == resolution for way in found)


def test_labels_stop_at_their_limit() -> None:
    keys = ThreeWay(list("a-b-c-d"), list("x-x-x-x"), list("y-y-y-y"))
    diff = three_way_diff(keys)
    assert len(diff.disputed) == 4
    assert len(label(diff, keys, list("x-x-x-x"))) == 2**4  # ours, and ours less base
    assert len(label(diff, keys, list("x-x-x-x"), limit=3)) == 3


def many(count: int) -> KeyLists:
    """Keys with `count` disputed hunks."""
    sides = ([f"{name}{at // 2}" if at % 2 else f"same {at}" for at in range(2 * count)] for name in "bot")
    return ThreeWay(*sides)


def test_the_search_for_a_label_is_bounded() -> None:
    keys = many(150)
    diff = three_way_diff(keys)
    assert len(diff.disputed) == 150
    assert len(label(diff, keys, keys.ours)) == 64
    assert label(diff, keys, [*keys.ours[:-1], "else"]) == []
    deep = many(LABEL_HUNKS)
    assert label(three_way_diff(deep), deep, deep.ours) == []


rows = st.lists(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=4), max_size=4)


@given(rows, st.integers(1, 40))
def test_k_best_is_exact(scores: list[list[float]], k: int) -> None:
    found = k_best(scores, k)

    def score(choice: tuple[int, ...]) -> float:
        return prod(row[at] for row, at in zip(scores, choice, strict=True))

    everything = sorted(
        (score(choice) for choice in product(*(range(len(row)) for row in scores))), reverse=True
    )
    assert len(set(found)) == len(found) == min(k, len(everything))
    assert [score(choice) for choice in found] == pytest.approx(everything[:k])


def test_k_best_prefers_the_first_of_equals() -> None:
    assert k_best([[0.5, 0.5], [0.5, 0.5]], 4) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_choice_that_cannot_be_is_the_last() -> None:
    found = k_best([[0.0, 1.0], [1.0, 0.0]], 4)
    assert (found[0], found[-1]) == ((1, 0), (0, 1))


def test_k_best_of_thousands_of_hunks_stays_within_memory() -> None:
    scores = [list(PRIOR.values())] * 5000
    tracemalloc.start()
    try:
        found = k_best(scores, 8)
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024**2
    finally:
        tracemalloc.stop()
    assert len(set(found)) == 8
    assert found[0] == (0,) * 5000
