"""Location by context: the shortest context that stands once, DeepMerge's algorithm 1 (arXiv 2105.07569) on lines.

The lines before a conflict, nearest first, are taken until they stand in the merged file exactly once: the resolution
starts there; it ends where the lines behind it, taken likewise, begin. DeepMerge lets the context run on over the markers
of the neighbouring conflict, which no merged file holds; here it ends where the neighbour begins, and a context that
repeats itself in the file may still stand once between the neighbours already found. The borders of the file count as
lines of their own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mergebert_data.locate.context_lines import ContextLines, Lines, Span

STEPS = 20_000  # lines looked at for one context; beyond it the file repeats itself and nothing is unique

Bounds = list[int | None]  # start and end of each conflict, in file order


@dataclass(frozen=True, slots=True)
class _Side:
    """The context lines on one side of a conflict, the nearest first, and whether they run to the border of the file."""

    lines: list[str]
    step: int
    is_last: bool


def spans_by_context(context: ContextLines, lines: Lines) -> list[Span | None]:
    """The span between the unique contexts of each conflict; None where it would cross that of another one."""
    sides = list(_sides(context))
    whole = [(0, len(lines.keys))] * len(sides)
    known = _in_order([_bound(lines, side, window) for side, window in zip(sides, whole, strict=True)])
    found = [
        _bound(lines, side, window) if bound is None else bound
        for bound, side, window in zip(known, sides, _windows(known, len(lines.keys)), strict=True)
    ]
    ordered = _in_order(found)
    return [
        None if start is None or end is None else (start, end)
        for start, end in zip(ordered[::2], ordered[1::2], strict=True)
    ]


def _sides(context: ContextLines) -> Iterator[_Side]:
    last = len(context.positions) - 1
    for conflict, position in enumerate(context.positions):
        yield _Side(context.keys[context.before(conflict) : position][::-1], -1, conflict == 0)
        yield _Side(context.keys[position : context.after(conflict)], 1, conflict == last)


def _bound(lines: Lines, side: _Side, window: Span) -> int | None:
    """Where the conflict ends on this side: next to its shortest context that stands once in the window; None without."""
    border = len(lines.keys) if side.step > 0 else -1
    shift = side.step < 0  # a conflict starts behind the line before it and ends at the line behind it
    if not side.lines:
        return border + shift if side.is_last else None
    numbers = _within(lines.numbers_of(side.lines[0]), *window)
    steps = 0
    for distance, key in enumerate(side.lines[1:], start=1):
        steps += len(numbers)
        if len(numbers) < 2 or steps > STEPS:
            break
        numbers = [at for at in numbers if _key_at(lines, at + side.step * distance, window) == key]
    else:
        if len(numbers) > 1 and side.is_last:
            numbers = [at for at in numbers if at + side.step * len(side.lines) == border]
    return numbers[0] + shift if len(numbers) == 1 else None


def _within(numbers: Sequence[int], low: int, high: int) -> Sequence[int]:
    return numbers[bisect_left(numbers, low) : bisect_left(numbers, high)]


def _key_at(lines: Lines, at: int, window: Span) -> str | None:
    return lines.keys[at] if window[0] <= at < window[1] else None


def _in_order(bounds: Sequence[int | None]) -> Bounds:
    """The bounds without any two neighbours that cross: one of them is wrong, and nothing shows which."""
    known = [at for at, bound in enumerate(bounds) if bound is not None]
    crossing = {
        at
        for one, other in pairwise(known)
        if (bounds[one] or 0) > (bounds[other] or 0)
        for at in (one, other)
    }
    return [None if at in crossing else bound for at, bound in enumerate(bounds)]


def _windows(known: Sequence[int | None], length: int) -> list[Span]:
    """For each bound the lines between the nearest known ones around it."""
    lows, highs = [], []
    low, high = 0, length
    for bound in known:
        lows.append(low)
        low = low if bound is None else bound
    for bound in reversed(known):
        highs.append(high)
        high = high if bound is None else bound
    return list(zip(lows, reversed(highs), strict=True))
