"""A text of the editor as the core sees a file: its parts, its open conflicts, and where these stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mergebert.text.conflicted import ConflictedText, OpenConflict
from mergebert.text.markers import Conflict, MergedFile
from mergebert.text.reconcile import OpenPart, reconciled, unreconciled
from mergebert.text.threeway import ThreeWay
from mergebert_lsp.text.jj_markers import Marked, marked
from mergebert_lsp.worker.repository import Versions
from mergebert_lsp.worker.wire import Source


@dataclass(frozen=True, slots=True)
class Place:
    """An open part of a text: where its first marker stands, how many conflicts it holds, and its slots.

    `text` goes from the first marker to the end of the last one; the part can hold more lines around that.
    """

    start: int
    count: int
    text: str
    part: OpenPart
    slots: tuple[OpenConflict, ...]
    shown: ThreeWay[str]  # the sides of the first conflict, as its markers give them

    @property
    def sides(self) -> ThreeWay[str] | None:
        """The whole sides of the conflict, where git knows more of them than the markers show."""
        if len(self.slots) != 1 or self.count != 1 or not self.slots[0].conflict.has_base:
            return None
        found = self.slots[0].conflict.sides
        return None if found == self.shown else found

    def resolved(self, texts: Mapping[int, str]) -> str | None:
        """What stands here once the slots in `texts`, keyed by index, are resolved; None if that would lose text."""
        found = self.part.resolved({slot.place: slot.ended(texts[slot.index]) for slot in self.slots})
        if found is None:
            return None
        lead, tail = len(self.part.agreed[0]), len(self.part.agreed[-1])
        return found[lead : len(found) - tail]


@dataclass(frozen=True, slots=True)
class Standing:
    """A text told apart: the file for the core, and where its open parts stand."""

    file: ConflictedText
    places: tuple[Place, ...]


def standing(source: Source, versions: Versions | None, before: MergedFile | None) -> Standing:
    """`source` reconciled with git's own cut of its versions, or with the merge that it was `before`.

    That merge holds conflicts which a person has resolved since: so a text that no repository knows teaches too.
    """
    marks = resolvable(source.text)
    merged = _merged(source.text, marks)
    other = versions.recut if versions else before
    parts = unreconciled(merged) if other is None else reconciled(merged, other)
    file = ConflictedText(source.name, parts, versions.stages if versions else None)
    return Standing(file, tuple(_places(source.text, marks, file)))


def resolvable(text: str) -> tuple[Marked, ...]:
    """The conflicts of a text that have two sides; others are shown and not resolved."""
    return tuple(one for one in marked(text) if isinstance(one, Marked) and one.sides_count == 2)


def _merged(text: str, marks: Sequence[Marked]) -> MergedFile:
    parts: list[str | Conflict] = []
    at = 0
    for one in marks:
        parts += [text[at : one.start], one.conflict]
        at = one.end
    return MergedFile(tuple(part for part in [*parts, text[at:]] if part != ""))


def _places(text: str, marks: Sequence[Marked], file: ConflictedText) -> Iterator[Place]:
    """Where each open part stands.

    The core writes jj's conflicts in git's way, so places are found by what the parts would be in that text.
    """
    written = list(_written(marks))
    slots: dict[int, list[OpenConflict]] = {}
    for slot in file.open_conflicts:
        slots.setdefault(id(slot.part), []).append(slot)
    at = next_mark = 0
    for part in file.parts:
        end = at + len(str(part))
        if isinstance(part, OpenPart):
            while written[next_mark] < at:  # a conflict that is content of the file
                next_mark += 1
            first = next_mark
            while next_mark < len(written) and written[next_mark] < end:
                next_mark += 1
            start, stop = marks[first].start, marks[next_mark - 1].end
            here = tuple(slots.get(id(part), ()))
            shown = marks[first].conflict.sides
            yield Place(start, next_mark - first, text[start:stop], part, here, shown)
        at = end


def _written(marks: Sequence[Marked]) -> Iterator[int]:
    """Where each conflict starts in the text that has them all in git's way."""
    grown = 0
    for one in marks:
        yield one.start + grown
        grown += len(str(one.conflict)) - (one.end - one.start)
