"""Resolutions of one cut of a merge put into another: into what git shows in the style the user chose.

The resolver sees conflicts as `git merge-file --diff3` cuts them, whole and with their base. In the default
style git also looks inside: it leaves common lines out of a conflict and may split one into several; zdiff3
leaves out the common first and last lines. So the n-th conflict of one is not the n-th of the other. Both
cuts hold the same two sides, though: what belongs together is found by reading ours and theirs in step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mergebert.markers import Conflict, MergedFile
from mergebert.threeway import ThreeWay

Pieces = tuple[str | Conflict, ...]


@dataclass(frozen=True, slots=True)
class Graft:
    """A line merge with resolutions in it: its parts, and which conflicts of the cut were resolved."""

    parts: Pieces
    resolved: tuple[int, ...]


def graft(shown: MergedFile, cut: MergedFile, texts: Mapping[int, str]) -> Graft | None:
    """`shown` with the conflicts of `cut` in `texts` replaced; None where the two are not cuts of one merge.

    A text is refused, and its conflict stays, where it would lose a line `shown` has outside its conflicts.
    """
    slices = slices_of(shown, cut)
    if slices is None:
        return None
    parts: list[str | Conflict] = []
    resolved: list[int] = []
    index = -1
    for part, pieces in zip(cut.parts, slices, strict=True):
        if not isinstance(part, Conflict):
            parts += pieces
            continue
        index += 1
        if index in texts and _keeps(texts[index], pieces):
            parts.append(texts[index])
            resolved.append(index)
        else:
            parts += pieces
    return Graft(tuple(parts), tuple(resolved))


def slices_of(shown: MergedFile, cut: MergedFile) -> list[Pieces] | None:
    """The pieces of `shown` that stand for each part of `cut`; None if the two are not of one merge."""
    rest = list(reversed(shown.parts))
    slices = []
    for at, part in enumerate(cut.parts):
        sides = part.sides if isinstance(part, Conflict) else ThreeWay(part, part, part)
        is_end = at + 1 == len(cut.parts) and isinstance(part, Conflict)
        pieces = _remainder(rest, sides) if is_end else _taken(rest, sides)
        if pieces is None:
            return None
        slices.append(pieces)
    return None if rest else slices


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


def _taken(rest: list[str | Conflict], sides: ThreeWay[str]) -> Pieces | None:
    """Takes off the end of `rest` the pieces whose two sides are exactly those of `sides`."""
    pieces: list[str | Conflict] = []
    ours = theirs = 0
    while ours < len(sides.ours) or theirs < len(sides.theirs):
        if not rest:
            return None
        piece = rest.pop()
        if isinstance(piece, str):
            fits = min(len(piece), len(sides.ours) - ours, len(sides.theirs) - theirs)
            if not fits:
                return None
            if fits < len(piece):
                rest.append(piece[fits:])
            piece = piece[:fits]
        left, right = _both(piece)
        if not sides.ours.startswith(left, ours) or not sides.theirs.startswith(right, theirs):
            return None
        ours, theirs = ours + len(left), theirs + len(right)
        pieces.append(piece)
    return tuple(pieces)


def _remainder(rest: list[str | Conflict], sides: ThreeWay[str]) -> Pieces | None:
    """Takes all of `rest` if it is the last conflict, perhaps without the newline that git completed."""
    pieces = tuple(reversed(rest))
    rest.clear()
    ours, theirs = ("".join(both) for both in zip(*map(_both, pieces), strict=True)) if pieces else ("", "")
    if all(
        whole in (part, part + "\n", part + "\r\n")
        for part, whole in ((ours, sides.ours), (theirs, sides.theirs))
    ):
        return pieces
    return None


def _both(piece: str | Conflict) -> tuple[str, str]:
    """What ours and what theirs have here."""
    return (piece.sides.ours, piece.sides.theirs) if isinstance(piece, Conflict) else (piece, piece)


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
