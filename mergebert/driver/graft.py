"""Resolutions of one cut of a merge put into another: into what git shows in the style the user chose.

The resolver sees conflicts as `git merge-file --diff3` cuts them, whole and with their base. In the default
style git also looks inside: it leaves common lines out of a conflict, may split one into several, and joins
conflicts with only a few lines between them; zdiff3 leaves out the common first and last lines. So the n-th
conflict of one is not the n-th of the other. Both cuts hold the same two sides, though: what belongs together
is found by reading ours and theirs in step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mergebert.text.markers import Conflict, Markers, MergedFile, lines_of
from mergebert.text.threeway import ThreeWay

Pieces = tuple[str | Conflict, ...]


@dataclass(frozen=True, slots=True)
class Graft:
    """A line merge with resolutions in it: its parts, and which conflicts of the cut were resolved."""

    parts: Pieces
    resolved: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """The same stretch of both sides as two cuts of one merge hold it."""

    shown: Pieces
    cut: Pieces


def graft(shown: MergedFile, cut: MergedFile, texts: Mapping[int, str]) -> Graft | None:
    """`shown` with the conflicts of `cut` in `texts` replaced; None where the two are not cuts of one merge.

    Texts are refused, and their conflicts stay, where they would lose a line `shown` has outside conflicts.
    """
    matches = matches_of(shown, cut)
    if matches is None:
        return None
    parts: list[str | Conflict] = []
    resolved: list[int] = []
    first = 0
    for match in matches:
        count = sum(isinstance(part, Conflict) for part in match.cut)
        chosen = [index for index in range(first, first + count) if index in texts]
        replaced = tuple(_replaced(match, first, texts))
        if chosen and _keeps("".join(map(str, replaced)), match.shown):
            parts += replaced
            resolved += chosen
        else:
            parts += match.shown
        first += count
    return Graft(tuple(parts), tuple(resolved))


def matches_of(shown: MergedFile, cut: MergedFile) -> list[Match] | None:
    """Both cuts in stretches that hold the same sides, as short as possible; None if of two merges."""
    matches = []
    left, right = _Reader(shown), _Reader(cut)
    while left.rest or right.rest:
        if isinstance(left.head, str) and isinstance(right.head, str):
            length = min(len(left.head), len(right.head))
            left.take(length)
            right.take(length)
        else:
            _take_dispute(left, right)
        is_last = not left.rest and not right.rest
        if not _is_same(left.ours, right.ours, is_last) or not _is_same(left.theirs, right.theirs, is_last):
            return None
        matches.append(Match(left.stretch(), right.stretch()))
    return matches


def with_final_newline(text: str, sides: ThreeWay[str], stages: ThreeWay[str]) -> str:
    """The resolution of the last conflict of a file, ending in a newline only if the merged file should.

    git completes the last line of a conflict, since a marker follows. A side taken whole ends as that side
    does; otherwise the final newline is merged like anything else: the side that changed it wins.
    """
    ends = stages.map(_ends_in_newline)
    whole = [end for side, end in zip(sides, ends, strict=True) if side == text]
    wanted = whole[-1] if whole else ends.trivial()
    return text if wanted or not text.endswith("\n") else text.removesuffix("\n").removesuffix("\r")


def _ends_in_newline(text: str) -> bool:
    return text.endswith("\n") or not text


class _Reader:
    """The parts of a line merge that are still to be read, and the stretch that was read last."""

    def __init__(self, merged: MergedFile) -> None:
        self.rest = list(reversed(merged.parts))
        self.taken: list[str | Conflict] = []
        self.ours = self.theirs = ""

    @property
    def head(self) -> str | Conflict | None:
        """What comes next."""
        return self.rest[-1] if self.rest else None

    def take(self, length: int | None = None) -> None:
        """Reads a conflict, or this much of agreed text, or else one line of it."""
        part = self.rest.pop()
        if isinstance(part, str):
            end = (part.find("\n") + 1 or len(part)) if length is None else length
            if end < len(part):
                self.rest.append(part[end:])
            part = part[:end]
        self.taken.append(part)
        self.ours += part.sides.ours if isinstance(part, Conflict) else part
        self.theirs += part.sides.theirs if isinstance(part, Conflict) else part

    def is_behind(self, other: _Reader) -> bool:
        """Whether `other` has read more of a side."""
        return len(self.ours) < len(other.ours) or len(self.theirs) < len(other.theirs)

    def stretch(self) -> Pieces:
        """What was read since the last time."""
        taken, self.taken = tuple(self.taken), []
        self.ours = self.theirs = ""
        return taken


def _take_dispute(left: _Reader, right: _Reader) -> None:
    """Reads on where at least one has a conflict, until both have read equally much of both sides."""
    (left if isinstance(left.head, Conflict) else right).take()
    while True:
        behind = left if left.is_behind(right) else right if right.is_behind(left) else None
        if behind is None or not behind.rest:
            return
        behind.take()


def _is_same(shown: str, cut: str, is_last: bool) -> bool:
    """Whether one side is the same in both; git may have completed the last line of the file."""
    return shown == cut or (is_last and cut in (f"{shown}\n", f"{shown}\r\n"))


def _replaced(match: Match, first: int, texts: Mapping[int, str]) -> Iterator[str | Conflict]:
    """The parts of the cut with the texts in place, the other conflicts in the style of those shown."""
    markers = next((part.markers for part in match.shown if isinstance(part, Conflict)), None)
    index = first
    for part in match.cut:
        if isinstance(part, str):
            yield part
            continue
        if index in texts:
            yield texts[index]
        else:
            yield from _trimmed(part, markers) if markers else (part,)
        index += 1


def _trimmed(conflict: Conflict, markers: Markers) -> Iterator[str | Conflict]:
    """The conflict between these markers; without a base between them, its common lines stand outside."""
    if markers.base is not None:
        yield replace(conflict, markers=markers)
        return
    ours, theirs = lines_of(conflict.sides.ours), lines_of(conflict.sides.theirs)
    start = _shared(ours, theirs)
    end = _shared(ours[start:][::-1], theirs[start:][::-1])
    yield "".join(ours[:start])
    inner = ("".join(side[start : len(side) - end]) for side in (ours, theirs))
    yield Conflict(ThreeWay("", *inner), markers)
    yield "".join(ours[len(ours) - end :])


def _shared(one: list[str], other: list[str]) -> int:
    """How many first lines are the same."""
    pairs = zip(one, other, strict=False)
    return next(
        (count for count, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other))
    )


def _keeps(text: str, pieces: Pieces) -> bool:
    """Whether `text` starts and ends with what is agreed among `pieces` and has the rest in order."""
    first, *between, last = _agreed(pieces)
    if not text.startswith(first) or not text.endswith(last):
        return False
    start, end = len(first), len(text) - len(last)
    for agreed in between:
        found = text.find(agreed, start, end)
        if found < 0:
            return False
        start = found + len(agreed)
    return start <= end


def _agreed(pieces: Pieces) -> list[str]:
    """The texts before, between and after the conflicts."""
    texts = [""]
    for piece in pieces:
        if isinstance(piece, Conflict):
            texts.append("")
        else:
            texts[-1] += piece
    return texts if len(texts) > 1 else [*texts, ""]
