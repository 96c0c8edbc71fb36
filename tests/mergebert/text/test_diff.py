from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.text import diff
from mergebert.text.diff import match_of, matches

keys = st.lists(st.sampled_from("abcd"), max_size=14)
TOKENS = 20_000


# Both ways to search: in full, and past the limit by keys that stand once.
both_ways = pytest.mark.parametrize("limit", [diff.CELL_LIMIT, 0], ids=["in full", "past the limit"])


@contextmanager
def cells(limit: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diff, "CELL_LIMIT", limit)
        yield


def agreeing(base: Sequence[object], side: Sequence[object]) -> list[tuple[int, int]]:
    """The matched pairs, after checking that blocks rise, agree and never overlap."""
    pairs = []
    end = other = 0
    for start, at, length in matches(base, side):
        assert length > 0
        assert start >= end and at >= other
        assert list(base[start : start + length]) == list(side[at : at + length])
        end, other = start + length, at + length
        pairs += list(zip(range(start, end), range(at, other), strict=True))
    assert end <= len(base) and other <= len(side)
    return pairs


def longest(base: Sequence[object], side: Sequence[object]) -> int:
    """The length of a longest common subsequence, the slow and plain way."""
    row = [0] * (len(side) + 1)
    for key in base:
        before = list(row)
        for at, other in enumerate(side):
            row[at + 1] = before[at] + 1 if key == other else max(before[at + 1], row[at])
    return row[-1]


@both_ways
@given(base=keys, side=keys)
def test_blocks_rise_and_agree(limit: int, base: list[str], side: list[str]) -> None:
    with cells(limit):
        found = agreeing(base, side)
    assert not limit or len(found) == longest(base, side)


@both_ways
@given(base=keys, side=keys)
def test_match_of_tells_the_same_pairs(limit: int, base: list[str], side: list[str]) -> None:
    with cells(limit):
        found = match_of(base, side)
        assert [(at, other) for at, other in enumerate(found) if other >= 0] == agreeing(base, side)
    assert len(found) == len(base)


@both_ways
@given(base=keys)
def test_a_sequence_matches_itself_whole(limit: int, base: list[str]) -> None:
    with cells(limit):
        assert matches(base, base) == ([(0, 0, len(base))] if base else [])


@both_ways
@given(base=keys, side=keys, before=keys, after=keys)
def test_common_ends_are_always_found(
    limit: int, base: list[str], side: list[str], before: list[str], after: list[str]
) -> None:
    with cells(limit):
        found = agreeing([*before, *base, *after], [*before, *side, *after])
    assert found[: len(before)] == [(at, at) for at in range(len(before))]
    assert len(found) >= len(before) + len(after)


def test_keys_may_be_anything_that_hashes() -> None:
    assert agreeing([(1, "a"), None, "x"], ["y", (1, "a"), None]) == [(0, 1), (1, 2)]


def edited(tokens: Sequence[int], draw: Random) -> list[int]:
    """`tokens` with a tenth of them replaced, dropped or doubled."""
    new = []
    for token in tokens:
        fate = draw.random()
        new += (
            [token]
            if fate > 0.1
            else [draw.randrange(3000)]
            if fate > 0.06
            else [token, 7]
            if fate > 0.03
            else []
        )
    return new


def random_tokens(draw: Random, count: int, different: int) -> list[int]:
    return [draw.randrange(different) for _ in range(count)]


LARGE: dict[str, Callable[[Random], tuple[list[int], list[int]]]] = {
    "an edited hunk": lambda draw: (base := random_tokens(draw, TOKENS, 3000), edited(base, draw)),
    "nothing alike": lambda draw: (list(range(TOKENS)), list(range(TOKENS, 2 * TOKENS))),
    "two tokens over and over": lambda draw: ([1, 2] * (TOKENS // 2), [2, 1, 1] * (TOKENS // 3)),
    "one side empty": lambda draw: (random_tokens(draw, TOKENS, 50), []),
    "past the limit": lambda draw: ([-1, *range(3 * TOKENS)], [*range(2, 3 * TOKENS), *range(2), -2]),
    "past the limit, nothing once": lambda draw: (
        random_tokens(draw, 2 * TOKENS, 9),
        random_tokens(draw, 2 * TOKENS, 9),
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_hunks_stay_within_memory(name: str) -> None:
    base, side = LARGE[name](Random(1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    found = agreeing(base, side)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024  # kilobytes
    if name == "an edited hunk":
        assert len(found) > 0.85 * TOKENS
    if name == "past the limit":
        assert len(found) == 3 * TOKENS - 2
