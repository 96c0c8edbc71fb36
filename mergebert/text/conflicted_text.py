"""A conflicted text: its open conflicts, what a person has answered, and the text once some are resolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mergebert.text.file_parts import AnsweredPart, OpenPart, Part
from mergebert.text.markers import Conflict, Item, MergedFile
from mergebert.text.threeway import ThreeWay


@dataclass(frozen=True, slots=True)
class OpenConflict:
    """A conflict that is still open: its index in the text, the part it stands in and its index there."""

    index: int
    part: OpenPart
    index_in_part: int
    line: int
    stages: ThreeWay[str] | None = None  # the whole versions, where this conflict ends the text

    @property
    def conflict(self) -> Conflict:
        """The conflict, with its base where that is known."""
        return self.part.conflicts[self.index_in_part]

    def accepts(self, text: str) -> bool:
        """Whether `text` may stand here: no text outside the markers is lost by it, and no third side."""
        fits = self.part.resolved({self.index_in_part: self.ended(text)}) is not None
        return fits and self.conflict.is_two_sided

    def both(self, is_swapped: bool = False) -> str:
        """Both sides one after the other, with the lines that stand outside the markers once."""
        return self.part.both(self.index_in_part, is_swapped)

    def repeats(self, text: str) -> bool:
        """Whether `text` is both sides one after the other with the lines that stand outside the markers twice."""
        ours, theirs = self.conflict.sides.ours, self.conflict.sides.theirs
        return (text == ours + theirs != self.both()) or (text == theirs + ours != self.both(is_swapped=True))

    def ended(self, text: str) -> str:
        """`text` with the final newline that the whole file should have."""
        return with_final_newline(text, self.conflict.sides, self.stages) if self.stages else text


@dataclass(frozen=True, slots=True)
class ConflictedText:
    """A text with conflicts: the path that tells its language, its parts, and its whole versions where known.

    `own` are the sides and texts of conflicts that mergebert itself resolved here.
    """

    path: str
    parts: tuple[Part, ...]
    stages: ThreeWay[str] | None = None
    own: frozenset[tuple[ThreeWay[str], str]] = frozenset()

    @property
    def open_conflicts(self) -> tuple[OpenConflict, ...]:
        """The open conflicts in order."""
        return tuple(self._open_conflicts())

    def _open_conflicts(self) -> Iterator[OpenConflict]:
        index, line = 0, 1
        for part in self.parts:
            if isinstance(part, OpenPart):
                for at, conflict in enumerate(part.conflicts):
                    is_last = part is self.parts[-1] and conflict is part.parts[-1]
                    first = line + part.agreed[0].count("\n")
                    yield OpenConflict(index + at, part, at, first, self.stages if is_last else None)
                index += len(part.conflicts)
            elif isinstance(part, AnsweredPart):
                index += 1
            line += str(part).count("\n")

    @property
    def answers(self) -> dict[int, str]:
        """What a person has already made of conflicts of this text, by index; what mergebert did is no answer."""
        found: dict[int, str] = {}
        index = 0
        for part in self.parts:
            if isinstance(part, AnsweredPart):
                if (part.conflict.sides, part.text) not in self.own:
                    found[index] = part.text
                index += 1
            elif isinstance(part, OpenPart):
                index += len(part.conflicts)
        return found

    @property
    def line_merge(self) -> MergedFile:
        """The line merge behind this text, answered conflicts included."""
        parts: list[Item] = []
        for part in self.parts:
            if isinstance(part, OpenPart):
                parts += part.parts
            else:
                parts.append(part if isinstance(part, str) else part.conflict)
        return MergedFile(tuple(parts))

    def resolved(self, texts: Mapping[int, str]) -> tuple[str, frozenset[int]]:
        """The text with the conflicts in `texts` resolved, and which could be without changing other text."""
        found: list[str] = []
        applied: set[int] = set()
        conflicts = self.open_conflicts
        for part in self.parts:
            here = [one for one in conflicts if one.part is part and one.index in texts]
            text = resolved_part(here[0].part, here, texts) if here else None
            found.append(str(part) if text is None else text)
            applied.update(one.index for one in here if text is not None)
        return "".join(found), frozenset(applied)


def resolved_part(part: OpenPart, conflicts: Sequence[OpenConflict], texts: Mapping[int, str]) -> str | None:
    """The text of `part` once these conflicts in it are resolved by `texts`; None if that would lose text."""
    return part.resolved({one.index_in_part: one.ended(texts[one.index]) for one in conflicts})


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
