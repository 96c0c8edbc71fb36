"""Two-way diff: where two sequences of keys are the same, with bounded time and memory."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence

from rapidfuzz.distance import LCSseq

# Longest-common-subsequence work is a bit matrix; 20 000 x 20 000 is 50 MB and under a second.
CELL_LIMIT = 400_000_000


def matches(base: Sequence[Hashable], side: Sequence[Hashable]) -> list[tuple[int, int, int]]:
    """Blocks (base start, side start, length) in which the two sequences agree, in order, never overlapping."""
    prefix = common_prefix(base, side)
    suffix = common_prefix(base[prefix:][::-1], side[prefix:][::-1])
    base_end, side_end = len(base) - suffix, len(side) - suffix
    blocks = [(0, 0, prefix)] if prefix else []
    blocks += _blocks(base[prefix:base_end], side[prefix:side_end], prefix)
    if suffix:
        blocks.append((base_end, side_end, suffix))
    return blocks


def match_of(base: Sequence[Hashable], side: Sequence[Hashable]) -> list[int]:
    """For every index of `base` the index of `side` it is matched with, or -1."""
    found = [-1] * len(base)
    for start, other, length in matches(base, side):
        found[start : start + length] = range(other, other + length)
    return found


def common_prefix(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """The length of the common prefix."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def _blocks(base: Sequence[Hashable], side: Sequence[Hashable], offset: int) -> list[tuple[int, int, int]]:
    if not base or not side:
        return []
    if len(base) * len(side) > CELL_LIMIT:
        return _anchored_blocks(base, side, offset)
    numbers: dict[Hashable, int] = {}
    left = [numbers.setdefault(key, len(numbers)) for key in base]
    right = [numbers.setdefault(key, len(numbers)) for key in side]
    return [
        (offset + code.src_start, offset + code.dest_start, code.src_end - code.src_start)
        for code in LCSseq.opcodes(left, right)
        if code.tag == "equal"
    ]


def _anchored_blocks(
    base: Sequence[Hashable], side: Sequence[Hashable], offset: int
) -> list[tuple[int, int, int]]:
    """Patience diff: only keys that stand once on either side are matched; what is too big is never searched in full."""
    once_side = _once(side)
    pairs = [(at, once_side[key]) for key, at in _once(base).items() if key in once_side]
    return [(offset + left, offset + right, 1) for left, right in _longest_increasing(pairs)]


def _once(keys: Sequence[Hashable]) -> dict[Hashable, int]:
    counts = Counter(keys)
    return {key: at for at, key in enumerate(keys) if counts[key] == 1}


def _longest_increasing(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest run of `pairs` (sorted by their first number) whose second numbers rise."""
    tails: list[int] = []
    tail_at: list[int] = []
    before: list[int] = []
    for at, (_, right) in enumerate(pairs):
        place = bisect_left(tails, right)
        before.append(tail_at[place - 1] if place else -1)
        tails[place : place + 1] = [right]
        tail_at[place : place + 1] = [at]
    chosen: list[tuple[int, int]] = []
    at = tail_at[-1] if tail_at else -1
    while at >= 0:
        chosen.append(pairs[at])
        at = before[at]
    return chosen[::-1]
