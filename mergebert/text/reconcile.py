"""What a file in the work tree still holds of a merge: the open conflicts, and the answers of a person.

git's default markers show no base, leave common lines out of a hunk and join neighbouring hunks. The index
still has all three versions, so they are merged by lines again in the diff3 style, and both texts are compared here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from mergebert.text.diff import match_of
from mergebert.text.file_parts import AnsweredPart, OpenPart, Part
from mergebert.text.markers import Conflict, Item, Markers, MergedFile, has_markers, lines_of
from mergebert.text.windows import windows

CONTEXT = 3  # unbroken lines that prove where an answer ends; measured on mined merges, see data/README.md


def unreconciled(items: Iterable[Item]) -> tuple[Part, ...]:
    """The parts of a file, or of a piece of it, without a line merge: each conflict as its markers show it."""
    return tuple(OpenPart(str(item), (item,)) if isinstance(item, Conflict) else item for item in items)


def reconciled(work_tree: MergedFile, line_merge: MergedFile) -> tuple[Part, ...]:
    """The parts of a work-tree file, matched against `line_merge`, the line merge of its three versions."""
    left, right = _items(_without_quoted(work_tree, line_merge)), _items(line_merge)
    lacks_newline = _complete_last_line(left, right)
    parts: list[Part] = []
    at = other = 0
    for window in windows(left, right):
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
    """The conflicts of one window, with the labels of the markers that stand in the file."""
    shown = tuple(item for item in work_tree if isinstance(item, Conflict))
    first = shown[0]
    parts = [_labelled(line_merge[at], first.markers) for at in run]
    marked = "".join(map(str, work_tree))
    return OpenPart(marked, tuple(_joined(parts)), _agreed(work_tree), first.has_base, shown)


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


def _gap(work_tree: Sequence[Item], line_merge: Sequence[Item]) -> list[Part]:
    """The parts between two windows: text, answers, and conflicts that the line merge does not know."""
    parts: list[Part] = []
    at = 0
    for span, conflict in _answers(work_tree, line_merge):
        parts += unreconciled(_joined(work_tree[at : span.start]))
        parts.append(AnsweredPart("".join(map(str, work_tree[span.start : span.stop])), conflict))
        at = span.stop
    return [*parts, *unreconciled(_joined(work_tree[at:]))]


def _answers(work_tree: Sequence[Item], line_merge: Sequence[Item]) -> Iterator[tuple[range, Conflict]]:
    """Where a person's text stands for a conflict of the line merge: only between unbroken context."""
    if not any(isinstance(item, Conflict) for item in line_merge):
        return
    matched = match_of(_keys(line_merge, "line_merge"), _keys(work_tree, "work_tree"))
    mirrored = [len(work_tree) - 1 - at if at >= 0 else -1 for at in reversed(matched)]
    at = 0
    for index, item in enumerate(line_merge):
        if not isinstance(item, Conflict) or item.sides.ours == item.sides.theirs:
            continue  # git's other styles show equal sides as merged: nobody has answered that
        start = _context_end(line_merge[:index], matched)
        behind = _context_end(line_merge[:index:-1], mirrored)
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
