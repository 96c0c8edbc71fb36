"""What a file in the work tree still holds of a merge: the open conflicts, and the answers of a person.

git's default markers show no base, leave common lines out of a hunk and join neighbouring hunks. The index
still has all three versions, so they are merged by lines again (`git merge-file --diff3`), and both texts are compared here.
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
class OpenPart:
    """Conflicts that stand in the file: `marked` as they stand, `parts` as the line merge has them, with their base.

    `agreed` is the text of `marked` outside the markers; whatever replaces `marked` must keep it.
    """

    marked: str
    parts: tuple[Item, ...]
    agreed: tuple[str, ...] = ("", "")
    shows_base: bool = True  # whether the markers in the file do; what stays open keeps their style

    def __str__(self) -> str:
        return self.marked

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """The conflicts among the parts."""
        return tuple(part for part in self.parts if isinstance(part, Conflict))

    def resolved(self, texts: Mapping[int, str]) -> str | None:
        """The text of this part with the conflicts in `texts`, keyed by place, resolved.

        None if text outside the markers would be lost.
        """
        if not texts:
            return self.marked
        text = "".join(self._texts(texts))
        return text if _keeps(text, self.agreed) else None

    def _texts(self, texts: Mapping[int, str]) -> Iterator[str]:
        index = 0
        for part in self.parts:
            if isinstance(part, str):
                yield part
                continue
            open_text = str(part) if self.shows_base else _two_way(part)
            yield texts.get(index, open_text)
            index += 1


@dataclass(frozen=True, slots=True)
class AnsweredPart:
    """A conflict of the merge that a person has replaced by `text`."""

    text: str
    conflict: Conflict

    def __str__(self) -> str:
        return self.text


Part = str | OpenPart | AnsweredPart


@dataclass(frozen=True, slots=True)
class _Window:
    """The same disputed lines in both texts."""

    work_tree: range
    line_merge: range


def unreconciled(work_tree: MergedFile) -> tuple[Part, ...]:
    """The parts of a file without a line merge: each conflict as its markers show it."""
    return tuple(
        OpenPart(str(part), (part,)) if isinstance(part, Conflict) else part for part in work_tree.parts
    )


def reconciled(work_tree: MergedFile, line_merge: MergedFile) -> tuple[Part, ...]:
    """The parts of a work-tree file, matched against `line_merge`, the line merge of its three versions."""
    left, right = _items(_without_quoted(work_tree, line_merge)), _items(line_merge)
    lacks_newline = _complete_last_line(left, right)
    parts: list[Part] = []
    at = other = 0
    for window in _windows(left, right):
        parts += _gap(left[at : window.work_tree.start], right[other : window.line_merge.start])
        parts.append(_open(left[window.work_tree.start : window.work_tree.stop], right, window.line_merge))
        at, other = window.work_tree.stop, window.line_merge.stop
    parts += _gap(left[at:], right[other:])
    return tuple([*parts[:-1], _without_newline(parts[-1])] if lacks_newline else parts)


def _complete_last_line(work_tree: list[Item], line_merge: Sequence[Item]) -> bool:
    """Gives the last line the newline that git gives it inside a conflict; whether that was needed."""
    if not (work_tree and line_merge and isinstance(line_merge[-1], Conflict)):
        return False
    last = work_tree[-1]
    if not isinstance(last, str) or last.endswith("\n"):
        return False
    work_tree[-1] = last + ("\r\n" if line_merge[-1].sides.ours.endswith("\r\n") else "\n")
    return True


def _without_newline(part: Part) -> Part:
    if isinstance(part, str):
        return _chopped(part)
    if isinstance(part, AnsweredPart):
        return replace(part, text=_chopped(part.text))
    return replace(part, marked=_chopped(part.marked), agreed=(*part.agreed[:-1], _chopped(part.agreed[-1])))


def _chopped(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _without_quoted(work_tree: MergedFile, line_merge: MergedFile) -> MergedFile:
    """`work_tree` with those of its conflicts made text that are content: a version of the file holds them."""
    versions = [line_merge.side(name) for name in ("base", "ours", "theirs")]
    versions = [version for version in versions if has_markers(version)]

    def is_quoted(part: Item) -> bool:
        return not isinstance(part, str) and any(str(part) in version for version in versions)

    return MergedFile(tuple(str(part) if is_quoted(part) else part for part in work_tree.parts))


def _items(merged: MergedFile) -> list[Item]:
    """The lines of agreed text and the conflicts, in order."""
    items: list[Item] = []
    for part in merged.parts:
        items += [part] if isinstance(part, Conflict) else lines_of(part)
    return items


def _open(work_tree: Sequence[Item], line_merge: Sequence[Item], run: range) -> OpenPart:
    """The conflicts of one window, wearing the labels of the markers that stand in the file."""
    first = next(item for item in work_tree if isinstance(item, Conflict))
    parts = [_labelled(line_merge[at], first.markers) for at in run]
    return OpenPart("".join(map(str, work_tree)), tuple(_joined(parts)), _agreed(work_tree), first.has_base)


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
    for part in between:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
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
    """A conflict of the line merge, its sides as lines, and how many first lines these share."""

    at: int
    ours: list[str]
    theirs: list[str]
    shared: int


def _windows(work_tree: Sequence[Item], line_merge: Sequence[Item]) -> list[_Window]:
    """The windows in which both texts hold the same dispute, in order and apart from each other."""
    disputes = [_dispute(at, item) for at, item in enumerate(line_merge) if isinstance(item, Conflict)]
    by_sides: dict[tuple[str, str], list[_Dispute]] = {}
    for dispute in disputes:
        by_sides.setdefault(_sides(line_merge[dispute.at]), []).append(dispute)
    places = [at for at, item in enumerate(work_tree) if isinstance(item, Conflict)]
    most = max(_PAIR_LIMIT // max(len(places), 1), 1)
    found: list[_Window] = []
    for at in places:
        alike = by_sides.get(_sides(work_tree[at]), disputes)
        nearest = sorted(alike, key=lambda dispute: abs(dispute.at - at))
        matching = (_window(work_tree, at, line_merge, dispute) for dispute in nearest)
        found += islice(filter(None, matching), most)
    return _chain(found, work_tree, line_merge)


def _dispute(at: int, conflict: Conflict) -> _Dispute:
    ours, theirs = map(lines_of, _sides(conflict))
    return _Dispute(at, ours, theirs, _shared(ours, theirs))


def _sides(item: Item) -> tuple[str, str]:
    assert isinstance(item, Conflict)
    return item.sides.ours, item.sides.theirs


def _window(
    work_tree: Sequence[Item], at: int, line_merge: Sequence[Item], dispute: _Dispute
) -> _Window | None:
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


def _closed(work_tree: Sequence[Item], start: int, line_merge: Sequence[Item], other: int) -> _Window | None:
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
    return _Window(range(start, at), range(other, to))


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


def _chain(
    windows: Sequence[_Window], work_tree: Sequence[Item], line_merge: Sequence[Item]
) -> list[_Window]:
    """The heaviest chain of windows apart from each other: many, and those whose surroundings agree."""
    ordered = sorted(windows, key=lambda window: (window.work_tree.start, window.line_merge.start))
    weights: list[int] = []
    before: list[int] = []
    for at, window in enumerate(ordered):
        fitting = [past for past in range(at) if _precedes(ordered[past], window)]
        best = max(fitting, key=weights.__getitem__, default=-1)
        before.append(best)
        weights.append(_weight(window, work_tree, line_merge) + (weights[best] if best >= 0 else 0))
    chosen: list[_Window] = []
    at = max(range(len(ordered)), key=weights.__getitem__, default=-1)
    while at >= 0:
        chosen.append(ordered[at])
        at = before[at]
    return chosen[::-1]


def _precedes(first: _Window, second: _Window) -> bool:
    return first.work_tree.stop <= second.work_tree.start and first.line_merge.stop <= second.line_merge.start


def _weight(window: _Window, work_tree: Sequence[Item], line_merge: Sequence[Item]) -> int:
    def lines_before(items: Sequence[Item], start: int) -> Sequence[Item]:
        return items[max(start - _CONTEXT_SEEN, 0) : start][::-1]

    def lines_after(items: Sequence[Item], stop: int) -> Sequence[Item]:
        return items[stop : stop + _CONTEXT_SEEN]

    left, right = window.work_tree, window.line_merge
    agreeing = _shared(lines_before(work_tree, left.start), lines_before(line_merge, right.start))
    agreeing += _shared(lines_after(work_tree, left.stop), lines_after(line_merge, right.stop))
    count = sum(isinstance(work_tree[at], Conflict) for at in left)
    return count * 4 * _CONTEXT_SEEN + agreeing


def _gap(work_tree: Sequence[Item], line_merge: Sequence[Item]) -> list[Part]:
    """The parts between two windows: text, answers, and conflicts that the line merge does not know."""
    parts: list[Part] = []
    at = 0
    for place, conflict in _answers(work_tree, line_merge):
        parts += _alone(work_tree[at : place.start])
        parts.append(AnsweredPart("".join(map(str, work_tree[place.start : place.stop])), conflict))
        at = place.stop
    return parts + _alone(work_tree[at:])


def _alone(items: Sequence[Item]) -> list[Part]:
    return [item if isinstance(item, str) else OpenPart(str(item), (item,)) for item in _joined(items)]


def _answers(work_tree: Sequence[Item], line_merge: Sequence[Item]) -> Iterator[tuple[range, Conflict]]:
    """Where a person's text stands for a conflict of the line merge: only between unbroken context."""
    if not any(isinstance(item, Conflict) for item in line_merge):
        return
    matched = match_of(_keys(line_merge, "line_merge"), _keys(work_tree, "work_tree"))
    mirrored = [len(work_tree) - 1 - at if at >= 0 else -1 for at in reversed(matched)]
    at = 0
    for place, item in enumerate(line_merge):
        if not isinstance(item, Conflict) or item.sides.ours == item.sides.theirs:
            continue  # git's other styles show equal sides as merged: nobody has answered that
        start = _context_end(line_merge[:place], matched)
        behind = _context_end(line_merge[:place:-1], mirrored)
        if start is None or behind is None or not at <= start <= len(work_tree) - behind:
            continue
        found = range(start, len(work_tree) - behind)
        if _is_plain(work_tree[found.start : found.stop]):
            yield found, item
            at = found.stop


def _keys(items: Sequence[Item], text: str) -> list[str | tuple[str, int]]:
    """What the diff compares: lines, and conflicts that are like nothing else."""
    return [item if isinstance(item, str) else (text, at) for at, item in enumerate(items)]


def _context_end(before: Sequence[Item], matched: Sequence[int]) -> int | None:
    """Where the context that ends `before` ends in the other text; None if it is too short or broken there.

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
