"""Two diffs joined over the base: the token hunks of a conflict (three-way diff, Khanna et al. 2007, "diff3")."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from mergebert.text.diff import match_of
from mergebert.text.threeway import ThreeWay

Keys = Sequence[Hashable]


class Change(Enum):
    """Who changed the base in a hunk."""

    NONE = "none"
    OURS = "ours"
    THEIRS = "theirs"
    SAME = "same"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class Hunk:
    """Index ranges of base, ours and theirs that correspond, and who changed them."""

    change: Change
    ranges: ThreeWay[range]


@dataclass(frozen=True, slots=True)
class ThreeWayDiff:
    """The hunks of three key sequences; their ranges tile each sequence in order."""

    hunks: tuple[Hunk, ...]

    @property
    def disputed(self) -> tuple[Hunk, ...]:
        """The hunks both sides changed differently."""
        return tuple(hunk for hunk in self.hunks if hunk.change is Change.DISPUTED)


def three_way_diff(keys: ThreeWay[Keys], trims_insertions: bool = True) -> ThreeWayDiff:
    """Stable and changed hunks of the three sequences; swapping ours and theirs mirrors the result.

    What both sides wrote alike at the ends of a disputed hunk is taken out of it. Among tokens that would cut two
    inserted list items (`, a` and `, b`) behind their shared comma, so there the caller may keep
    insertions whole.
    """
    return ThreeWayDiff(tuple(_hunks(keys, trims_insertions)))


def _hunks(keys: ThreeWay[Keys], trims_insertions: bool) -> Iterator[Hunk]:
    to_ours = match_of(keys.base, keys.ours)
    to_theirs = match_of(keys.base, keys.theirs)
    base = ours = theirs = 0
    at, size = 0, len(keys.base)
    while at < size:
        if to_ours[at] < 0 or to_theirs[at] < 0:
            at += 1
            continue
        stop = at + 1
        while (
            stop < size
            and to_ours[stop] == to_ours[stop - 1] + 1
            and to_theirs[stop] == to_theirs[stop - 1] + 1
        ):
            stop += 1
        gap = ThreeWay(range(base, at), range(ours, to_ours[at]), range(theirs, to_theirs[at]))
        yield from _changed(keys, gap, trims_insertions)
        ours, theirs, length = to_ours[at], to_theirs[at], stop - at
        stable = ThreeWay(range(at, stop), range(ours, ours + length), range(theirs, theirs + length))
        yield Hunk(Change.NONE, stable)
        base, ours, theirs, at = stop, ours + length, theirs + length, stop
    rest = ThreeWay(range(base, size), range(ours, len(keys.ours)), range(theirs, len(keys.theirs)))
    yield from _changed(keys, rest, trims_insertions)


def _changed(keys: ThreeWay[Keys], ranges: ThreeWay[range], trims_insertions: bool) -> Iterator[Hunk]:
    """The hunk of one gap between stable runs; nothing for an empty gap."""
    base, ours, theirs = (_slice(sequence, part) for sequence, part in zip(keys, ranges, strict=True))
    if not (base or ours or theirs):
        return
    if ours == theirs:
        yield Hunk(Change.SAME, ranges)
    elif ours == base:
        yield Hunk(Change.THEIRS, ranges)
    elif theirs == base:
        yield Hunk(Change.OURS, ranges)
    elif not base and not trims_insertions:
        yield Hunk(Change.DISPUTED, ranges)
    else:
        yield from _disputed(ranges, ours, theirs)


def _disputed(ranges: ThreeWay[range], ours: Keys, theirs: Keys) -> Iterator[Hunk]:
    """A disputed gap without what both sides wrote alike at its two ends (git's own zealous trimming)."""
    shorter = min(len(ours), len(theirs))
    head = 0
    while head < shorter and ours[head] == theirs[head]:
        head += 1
    tail = 0
    while tail < shorter - head and ours[-1 - tail] == theirs[-1 - tail]:
        tail += 1
    if head:
        yield Hunk(Change.SAME, ThreeWay(ranges.base[:0], ranges.ours[:head], ranges.theirs[:head]))
    middle = ThreeWay(ranges.base, _without(ranges.ours, head, tail), _without(ranges.theirs, head, tail))
    yield Hunk(Change.DISPUTED, middle)
    if tail:
        end = ranges.base[len(ranges.base) :]
        yield Hunk(Change.SAME, ThreeWay(end, ranges.ours[-tail:], ranges.theirs[-tail:]))


def _without(part: range, head: int, tail: int) -> range:
    return part[head : len(part) - tail]


def _slice(sequence: Keys, part: range) -> Keys:
    return sequence[part.start : part.stop]
