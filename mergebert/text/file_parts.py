"""What a file in the work tree is made of: agreed text, open conflicts, and the answers of a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mergebert.text.diff import common_prefix
from mergebert.text.markers import Conflict, Item, conflicts_in, lines_of
from mergebert.text.threeway import ThreeWay


@dataclass(frozen=True, slots=True)
class OpenPart:
    """Conflicts that stand in the file: `marked` as they stand, `parts` as the line merge has them, with their base.

    `agreed` is the text of `marked` outside the markers; whatever replaces `marked` must keep it.
    """

    marked: str
    parts: tuple[Item, ...]
    agreed: tuple[str, ...] = ("", "")
    shows_base: bool = True  # whether the markers in the file do; what stays open keeps their style
    shown: tuple[Conflict, ...] = ()  # the conflicts of `marked`, which may be divided otherwise

    def __str__(self) -> str:
        return self.marked

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """The conflicts among the parts."""
        return conflicts_in(self.parts)

    def resolved(self, texts: Mapping[int, str]) -> str | None:
        """The text of this part with the conflicts in `texts`, keyed by index, resolved.

        None if text outside the markers would be lost.
        """
        if not texts:
            return self.marked
        text = "".join(self._texts(texts))
        return text if _keeps(text, self.agreed) else None

    def both(self, index: int, is_swapped: bool = False) -> str:
        """Both sides of a conflict one after the other, with what stands outside the markers once."""
        if len(self.parts) == 1 and self.shown:
            first, *rest = self.agreed
            pairs = zip(self.shown, rest, strict=True)
            return first + "".join(_joined_sides(one.sides, is_swapped) + text for one, text in pairs)
        conflict = self.conflicts[index]
        lead = self.agreed[0] if conflict is self.parts[0] else ""
        tail = self.agreed[-1] if conflict is self.parts[-1] else ""
        if not all(_frames(lead, one, tail) for one in (conflict.sides.ours, conflict.sides.theirs)):
            lead = tail = ""
        inner = conflict.sides.map(lambda text: text.removeprefix(lead).removesuffix(tail))
        return lead + _joined_sides(inner, is_swapped) + tail

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


def _joined_sides(sides: ThreeWay[str], is_swapped: bool) -> str:
    return sides.theirs + sides.ours if is_swapped else sides.ours + sides.theirs


def _frames(lead: str, text: str, tail: str) -> bool:
    return text.startswith(lead) and text.endswith(tail) and len(text) >= len(lead) + len(tail)


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
    start = common_prefix(ours, theirs)
    end = common_prefix(ours[start:][::-1], theirs[start:][::-1])
    inner = ThreeWay("", "".join(ours[start : len(ours) - end]), "".join(theirs[start : len(theirs) - end]))
    marked = Conflict(inner, replace(conflict.markers, base=None))
    return "".join([*ours[:start], str(marked), *ours[len(ours) - end :]])
