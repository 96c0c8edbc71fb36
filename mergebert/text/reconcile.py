"""What a file in the work tree still holds of a merge: the open conflicts, and the answers of a person.

git's default markers show no base, leave common lines out of a hunk and join neighbouring hunks. The index
still has all three versions, so they are cut again with `git merge-file --diff3`; they are compared here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice

from mergebert.text.diff import match_of
from mergebert.text.markers import Conflict, Markers, MergedFile, has_markers, lines_of
from mergebert.text.threeway import ThreeWay

CONTEXT = 3  # unbroken lines that prove where an answer ends; measured on mined merges, see data/README.md
_CONTEXT_SEEN = 10  # lines compared to tell equal conflicts apart
_PAIR_LIMIT = 2000  # a file with more look-alike conflicts than this is not worth quadratic time

Item = str | Conflict


@dataclass(frozen=True, slots=True)
class Open:
    """Conflicts that stand in the file: `marked` as they stand, `pieces` as git cut them with a base.

    `agreed` is the text of `marked` outside the markers; whatever replaces `marked` must keep it.
    """

    marked: str
    pieces: tuple[Item, ...]
    agreed: tuple[str, ...] = ("", "")
    shows_base: bool = True  # whether the markers in the file do; what stays open keeps their style

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """The conflicts among the pieces."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Conflict))

    def resolved(self, texts: Mapping[int, str]) -> str | None:
        """What stands here once the conflicts in `texts`, keyed by place, are resolved.

        None if that would lose text outside the markers.
        """
        if not texts:
            return self.marked
        text = "".join(self._pieces(texts))
        return text if _keeps(text, self.agreed) else None

    def _pieces(self, texts: Mapping[int, str]) -> Iterator[str]:
        index = 0
        for piece in self.pieces:
            if isinstance(piece, str):
                yield piece
                continue
            open_text = str(piece) if self.shows_base else _two_way(piece)
            yield texts.get(index, open_text)
            index += 1


@dataclass(frozen=True, slots=True)
class Answered:
    """A conflict of the merge that a person has replaced by `text`."""

    text: str
    conflict: Conflict


Part = str | Open | Answered


@dataclass(frozen=True, slots=True)
class _Window:
    """The same disputed lines in both cuts."""

    standing: range
    recut: range


def opened(standing: MergedFile) -> tuple[Part, ...]:
    """The parts of a file of which nothing else is known: every conflict is what its markers show."""
    return tuple(Open(str(part), (part,)) if isinstance(part, Conflict) else part for part in standing.parts)


def compared(standing: MergedFile, recut: MergedFile) -> tuple[Part, ...]:
    """The parts of the file `standing`, told apart by `recut`, the fresh cut of the same merge."""
    left, right = _items(_without_quoted(standing, recut)), _items(recut)
    is_cut_short = _complete_last_line(left, right)
    parts: list[Part] = []
    at = other = 0
    for window in _windows(left, right):
        parts += _gap(left[at : window.standing.start], right[other : window.recut.start])
        parts.append(_open(left[window.standing.start : window.standing.stop], right, window.recut))
        at, other = window.standing.stop, window.recut.stop
    parts += _gap(left[at:], right[other:])
    return tuple([*parts[:-1], _without_newline(parts[-1])] if is_cut_short else parts)


def _complete_last_line(standing: list[Item], recut: Sequence[Item]) -> bool:
    """Gives the last line the newline that git gives it inside a conflict; whether that was needed."""
    if not (standing and recut and isinstance(recut[-1], Conflict)):
        return False
    last = standing[-1]
    if not isinstance(last, str) or last.endswith("\n"):
        return False
    standing[-1] = last + ("\r\n" if recut[-1].sides.ours.endswith("\r\n") else "\n")
    return True


def _without_newline(part: Part) -> Part:
    if isinstance(part, str):
        return _chopped(part)
    if isinstance(part, Answered):
        return replace(part, text=_chopped(part.text))
    return replace(part, marked=_chopped(part.marked), agreed=(*part.agreed[:-1], _chopped(part.agreed[-1])))


def _chopped(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _without_quoted(standing: MergedFile, recut: MergedFile) -> MergedFile:
    """`standing` with those of its conflicts made text that are content: a version of the file holds them."""
    versions = ["".join(_side(part, name) for part in recut.parts) for name in ("base", "ours", "theirs")]
    versions = [version for version in versions if has_markers(version)]

    def is_quoted(part: Item) -> bool:
        return not isinstance(part, str) and any(str(part) in version for version in versions)

    return MergedFile(tuple(str(part) if is_quoted(part) else part for part in standing.parts))


def _side(part: Item, name: str) -> str:
    return part if isinstance(part, str) else str(getattr(part.sides, name))


def _items(merged: MergedFile) -> list[Item]:
    """The lines of agreed text and the conflicts, in order."""
    items: list[Item] = []
    for part in merged.parts:
        items += [part] if isinstance(part, Conflict) else lines_of(part)
    return items


def _open(standing: Sequence[Item], recut: Sequence[Item], run: range) -> Open:
    """The conflicts of one window, wearing the labels of the markers that stand in the file."""
    first = next(item for item in standing if isinstance(item, Conflict))
    pieces = [_labelled(recut[at], first.markers) for at in run]
    return Open("".join(map(str, standing)), tuple(_joined(pieces)), _agreed(standing), first.has_base)


def _joined(items: Sequence[Item]) -> Iterator[Item]:
    """`items` with neighbouring lines made one text."""
    for is_text, group in groupby(items, key=lambda item: isinstance(item, str)):
        if is_text:
            yield "".join(map(str, group))
        else:
            yield from group


def _labelled(item: Item, markers: Markers) -> Item:
    if isinstance(item, str):
        return item
    return replace(item, markers=replace(markers, base=markers.base or item.markers.base))


def _agreed(items: Sequence[Item]) -> tuple[str, ...]:
    """The texts before, between and after the conflicts of a window."""
    texts = [""]
    for item in items:
        if isinstance(item, Conflict):
            texts.append("")
        else:
            texts[-1] += item
    return tuple(texts)


def _keeps(text: str, agreed: tuple[str, ...]) -> bool:
    """Whether `text` starts and ends with the agreed text and holds the rest of it in order."""
    first, *between, last = agreed
    if not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in between:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return at <= end


def _two_way(conflict: Conflict) -> str:
    """The conflict in git's default style: no base, common first and last lines outside the markers."""
    ours, theirs = lines_of(conflict.sides.ours), lines_of(conflict.sides.theirs)
    start = _shared(ours, theirs)
    end = _shared(ours[start:][::-1], theirs[start:][::-1])
    inner = ThreeWay("", "".join(ours[start : len(ours) - end]), "".join(theirs[start : len(theirs) - end]))
    marked = Conflict(inner, replace(conflict.markers, base=None))
    return "".join([*ours[:start], str(marked), *ours[len(ours) - end :]])


def _shared(one: Sequence[Item], other: Sequence[Item]) -> int:
    """How many first lines are the same."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right or not isinstance(left, str):
            break
        count += 1
    return count


@dataclass(frozen=True, slots=True)
class _Dispute:
    """A conflict of the recut, its sides as lines, and how many first lines these share."""

    at: int
    ours: list[str]
    theirs: list[str]
    shared: int


def _windows(standing: Sequence[Item], recut: Sequence[Item]) -> list[_Window]:
    """The windows in which both cuts hold the same dispute, in order and apart from each other."""
    disputes = [_dispute(at, item) for at, item in enumerate(recut) if isinstance(item, Conflict)]
    by_sides: dict[tuple[str, str], list[_Dispute]] = {}
    for dispute in disputes:
        by_sides.setdefault(_sides(recut[dispute.at]), []).append(dispute)
    places = [at for at, item in enumerate(standing) if isinstance(item, Conflict)]
    most = max(_PAIR_LIMIT // max(len(places), 1), 1)
    found: list[_Window] = []
    for at in places:
        alike = by_sides.get(_sides(standing[at]), disputes)
        nearest = sorted(alike, key=lambda dispute: abs(dispute.at - at))
        matching = (_window(standing, at, recut, dispute) for dispute in nearest)
        found += islice(filter(None, matching), most)
    return _chain(found, standing, recut)


def _dispute(at: int, conflict: Conflict) -> _Dispute:
    ours, theirs = map(lines_of, _sides(conflict))
    return _Dispute(at, ours, theirs, _shared(ours, theirs))


def _sides(item: Item) -> tuple[str, str]:
    assert isinstance(item, Conflict)
    return item.sides.ours, item.sides.theirs


def _window(standing: Sequence[Item], at: int, recut: Sequence[Item], dispute: _Dispute) -> _Window | None:
    """The window whose first conflict stands at `at`, if the cuts agree from there on.

    git may have left up to all common first lines of the dispute outside the standing markers.
    """
    ours, theirs = _sides(standing[at])
    for skipped in range(min(dispute.shared, at) + 1):
        if (
            _may_start(ours, dispute.ours, skipped)
            and _may_start(theirs, dispute.theirs, skipped)
            and standing[at - skipped : at] == dispute.ours[:skipped]
        ):
            window = _closed(standing, at - skipped, recut, dispute.at)
            if window and at in window.standing:  # else the sides are equal and need no conflict
                return window
    return None


def _may_start(side: str, lines: Sequence[str], skipped: int) -> bool:
    """Whether `side` can stand for `lines` from `skipped` on; this tells most pairs apart."""
    return not side or skipped >= len(lines) or side.startswith(lines[skipped])


def _closed(standing: Sequence[Item], start: int, recut: Sequence[Item], other: int) -> _Window | None:
    """The shortest window from these places on in which both sides of both cuts read the same."""
    at, to = start, other
    ahead = _Ahead()
    ahead.take(recut[to], 1)
    to += 1
    while not ahead.is_even:
        if ahead.waits_for_standing:
            if at == len(standing) or not ahead.take(standing[at], 0):
                return None
            at += 1
        else:
            if to == len(recut) or not ahead.take(recut[to], 1):
                return None
            to += 1
    return _Window(range(start, at), range(other, to))


class _Ahead:
    """How far one cut has been read beyond the other, for each side: lines still to be met."""

    def __init__(self) -> None:
        self._waiting: tuple[tuple[deque[str], deque[str]], ...] = ((deque(), deque()), (deque(), deque()))

    @property
    def is_even(self) -> bool:
        return not any(lines for cut in self._waiting for lines in cut)

    @property
    def waits_for_standing(self) -> bool:
        return any(self._waiting[1])

    def take(self, item: Item, cut: int) -> bool:
        """Reads one item of a cut; whether it agrees with what the other cut had there."""
        texts = (item, item) if isinstance(item, str) else _sides(item)
        return all(self._take_side(lines_of(text), cut, side) for side, text in enumerate(texts))

    def _take_side(self, lines: list[str], cut: int, side: int) -> bool:
        other, own = self._waiting[1 - cut][side], self._waiting[cut][side]
        for line in lines:
            if not other:
                own.append(line)
            elif other.popleft() != line:
                return False
        return True


def _chain(windows: Sequence[_Window], standing: Sequence[Item], recut: Sequence[Item]) -> list[_Window]:
    """The heaviest chain of windows apart from each other: many, and those whose surroundings agree."""
    ordered = sorted(windows, key=lambda window: (window.standing.start, window.recut.start))
    weights: list[int] = []
    before: list[int] = []
    for at, window in enumerate(ordered):
        fitting = [past for past in range(at) if _precedes(ordered[past], window)]
        best = max(fitting, key=weights.__getitem__, default=-1)
        before.append(best)
        weights.append(_weight(window, standing, recut) + (weights[best] if best >= 0 else 0))
    chosen: list[_Window] = []
    at = max(range(len(ordered)), key=weights.__getitem__, default=-1)
    while at >= 0:
        chosen.append(ordered[at])
        at = before[at]
    return chosen[::-1]


def _precedes(first: _Window, second: _Window) -> bool:
    return first.standing.stop <= second.standing.start and first.recut.stop <= second.recut.start


def _weight(window: _Window, standing: Sequence[Item], recut: Sequence[Item]) -> int:
    def lines_before(items: Sequence[Item], start: int) -> Sequence[Item]:
        return items[max(start - _CONTEXT_SEEN, 0) : start][::-1]

    def lines_after(items: Sequence[Item], stop: int) -> Sequence[Item]:
        return items[stop : stop + _CONTEXT_SEEN]

    left, right = window.standing, window.recut
    agreeing = _shared(lines_before(standing, left.start), lines_before(recut, right.start))
    agreeing += _shared(lines_after(standing, left.stop), lines_after(recut, right.stop))
    count = sum(isinstance(standing[at], Conflict) for at in left)
    return count * 4 * _CONTEXT_SEEN + agreeing


def _gap(standing: Sequence[Item], recut: Sequence[Item]) -> list[Part]:
    """The parts between two windows: text, answers, and conflicts that git's fresh cut does not know."""
    parts: list[Part] = []
    at = 0
    for place, conflict in _answers(standing, recut):
        parts += _alone(standing[at : place.start])
        parts.append(Answered("".join(map(str, standing[place.start : place.stop])), conflict))
        at = place.stop
    return parts + _alone(standing[at:])


def _alone(items: Sequence[Item]) -> list[Part]:
    return [item if isinstance(item, str) else Open(str(item), (item,)) for item in _joined(items)]


def _answers(standing: Sequence[Item], recut: Sequence[Item]) -> Iterator[tuple[range, Conflict]]:
    """Where a person's text stands for a conflict of the recut: only between unbroken context."""
    if not any(isinstance(item, Conflict) for item in recut):
        return
    matched = match_of(_keys(recut, "recut"), _keys(standing, "standing"))
    mirrored = [len(standing) - 1 - at if at >= 0 else -1 for at in reversed(matched)]
    at = 0
    for place, item in enumerate(recut):
        if not isinstance(item, Conflict) or item.sides.ours == item.sides.theirs:
            continue  # git's other styles show equal sides as merged: nobody has answered that
        start = _context_end(recut[:place], matched)
        behind = _context_end(recut[:place:-1], mirrored)
        if start is None or behind is None or not at <= start <= len(standing) - behind:
            continue
        found = range(start, len(standing) - behind)
        if _is_plain(standing[found.start : found.stop]):
            yield found, item
            at = found.stop


def _keys(items: Sequence[Item], cut: str) -> list[str | tuple[str, int]]:
    """What the diff compares: lines, and conflicts that are like nothing else."""
    return [item if isinstance(item, str) else (cut, at) for at, item in enumerate(items)]


def _context_end(before: Sequence[Item], matched: Sequence[int]) -> int | None:
    """Where the context that ends `before` ends in the other cut; None if it is too short or broken there.

    A short one proves something only where it reaches the edge of the gap, which is certain.
    """
    size = next((at for at, item in enumerate(reversed(before)) if isinstance(item, Conflict)), len(before))
    needed = min(CONTEXT, size)
    reaches_edge = size == len(before) < CONTEXT
    if needed < CONTEXT and not reaches_edge:
        return None
    end = matched[len(before) - 1] + 1 if needed else 0
    expected = list(range(end - needed, end))
    is_unbroken = list(matched[len(before) - needed : len(before)]) == expected and end >= needed
    return end if is_unbroken and (not reaches_edge or end == needed) else None


def _is_plain(items: Sequence[Item]) -> bool:
    return all(isinstance(item, str) and not has_markers(item) for item in items)
