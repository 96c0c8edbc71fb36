"""Windows: the places at which the text in the work tree and the line merge hold the same disputed lines."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, takewhile

from mergebert.text.diff import common_prefix
from mergebert.text.markers import Conflict, Item, lines_of

_CONTEXT_SEEN = 10  # lines compared to tell equal conflicts apart
_PAIR_LIMIT = 2000  # a file with more look-alike conflicts than this is not worth quadratic time


@dataclass(frozen=True, slots=True)
class Window:
    """The same disputed lines in both texts."""

    work_tree: range
    line_merge: range


@dataclass(frozen=True, slots=True)
class _Dispute:
    """A conflict of the line merge, its sides as lines, and how many first lines these share."""

    at: int
    ours: list[str]
    theirs: list[str]
    shared: int


def windows(work_tree: Sequence[Item], line_merge: Sequence[Item]) -> list[Window]:
    """The windows in which both texts hold the same dispute, in order and apart from each other."""
    disputes = [_dispute(at, item) for at, item in enumerate(line_merge) if isinstance(item, Conflict)]
    by_sides: dict[tuple[str, str], list[_Dispute]] = {}
    for dispute in disputes:
        by_sides.setdefault(_sides(line_merge[dispute.at]), []).append(dispute)
    places = [at for at, item in enumerate(work_tree) if isinstance(item, Conflict)]
    most = max(_PAIR_LIMIT // max(len(places), 1), 1)
    found: list[Window] = []
    for at in places:
        alike = by_sides.get(_sides(work_tree[at]), disputes)
        nearest = sorted(alike, key=lambda dispute: abs(dispute.at - at))
        matching = (_window(work_tree, at, line_merge, dispute) for dispute in nearest)
        found += islice(filter(None, matching), most)
    return _chain(found, work_tree, line_merge)


def _dispute(at: int, conflict: Conflict) -> _Dispute:
    ours, theirs = map(lines_of, _sides(conflict))
    return _Dispute(at, ours, theirs, common_prefix(ours, theirs))


def _sides(item: Item) -> tuple[str, str]:
    assert isinstance(item, Conflict)
    return item.sides.ours, item.sides.theirs


def _window(
    work_tree: Sequence[Item], at: int, line_merge: Sequence[Item], dispute: _Dispute
) -> Window | None:
    """The window whose first conflict stands at `at`, if both texts agree from there on.

    git may have left up to all common first lines of the dispute outside the markers of the work tree.
    """
    ours, theirs = _sides(work_tree[at])
    for skipped in range(min(dispute.shared, at) + 1):
        if (
            _may_start(ours, dispute.ours, skipped)
            and _may_start(theirs, dispute.theirs, skipped)
            and work_tree[at - skipped : at] == dispute.ours[:skipped]
        ):
            window = _closed(work_tree, at - skipped, line_merge, dispute.at)
            if window and at in window.work_tree:  # else the sides are equal and need no conflict
                return window
    return None


def _may_start(side: str, lines: Sequence[str], skipped: int) -> bool:
    """Whether `side` can stand for `lines` from `skipped` on; this tells most pairs apart."""
    return not side or skipped >= len(lines) or side.startswith(lines[skipped])


def _closed(work_tree: Sequence[Item], start: int, line_merge: Sequence[Item], other: int) -> Window | None:
    """The shortest window from these places on in which both sides read the same in both texts."""
    at, to = start, other
    ahead = _Lookahead()
    ahead.take(line_merge[to], 1)
    to += 1
    while not ahead.is_even:
        if ahead.waits_for_work_tree:
            if at == len(work_tree) or not ahead.take(work_tree[at], 0):
                return None
            at += 1
        else:
            if to == len(line_merge) or not ahead.take(line_merge[to], 1):
                return None
            to += 1
    return Window(range(start, at), range(other, to))


class _Lookahead:
    """How far one text has been read beyond the other, for each side: lines still to be met."""

    def __init__(self) -> None:
        self._waiting: tuple[tuple[deque[str], deque[str]], ...] = ((deque(), deque()), (deque(), deque()))

    @property
    def is_even(self) -> bool:
        return not any(lines for sides in self._waiting for lines in sides)

    @property
    def waits_for_work_tree(self) -> bool:
        return any(self._waiting[1])

    def take(self, item: Item, text: int) -> bool:
        """Reads one item of a text; whether it agrees with what the other text had there."""
        sides = (item, item) if isinstance(item, str) else _sides(item)
        return all(self._take_side(lines_of(one), text, side) for side, one in enumerate(sides))

    def _take_side(self, lines: list[str], text: int, side: int) -> bool:
        other, own = self._waiting[1 - text][side], self._waiting[text][side]
        for line in lines:
            if not other:
                own.append(line)
            elif other.popleft() != line:
                return False
        return True


def _chain(windows: Sequence[Window], work_tree: Sequence[Item], line_merge: Sequence[Item]) -> list[Window]:
    """The heaviest chain of windows apart from each other: many, and those whose surroundings agree."""
    ordered = sorted(windows, key=lambda window: (window.work_tree.start, window.line_merge.start))
    weights: list[int] = []
    before: list[int] = []
    for at, window in enumerate(ordered):
        fitting = [past for past in range(at) if _precedes(ordered[past], window)]
        best = max(fitting, key=weights.__getitem__, default=-1)
        before.append(best)
        weights.append(_weight(window, work_tree, line_merge) + (weights[best] if best >= 0 else 0))
    chosen: list[Window] = []
    at = max(range(len(ordered)), key=weights.__getitem__, default=-1)
    while at >= 0:
        chosen.append(ordered[at])
        at = before[at]
    return chosen[::-1]


def _precedes(first: Window, second: Window) -> bool:
    return first.work_tree.stop <= second.work_tree.start and first.line_merge.stop <= second.line_merge.start


def _weight(window: Window, work_tree: Sequence[Item], line_merge: Sequence[Item]) -> int:
    def lines_before(items: Sequence[Item], start: int) -> Sequence[Item]:
        return _first_lines(items[max(start - _CONTEXT_SEEN, 0) : start][::-1])

    def lines_after(items: Sequence[Item], stop: int) -> Sequence[Item]:
        return _first_lines(items[stop : stop + _CONTEXT_SEEN])

    left, right = window.work_tree, window.line_merge
    agreeing = common_prefix(lines_before(work_tree, left.start), lines_before(line_merge, right.start))
    agreeing += common_prefix(lines_after(work_tree, left.stop), lines_after(line_merge, right.stop))
    count = sum(isinstance(work_tree[at], Conflict) for at in left)
    return count * 4 * _CONTEXT_SEEN + agreeing


def _first_lines(items: Sequence[Item]) -> Sequence[Item]:
    """The lines in front of the first conflict."""
    return list(takewhile(lambda item: isinstance(item, str), items))
