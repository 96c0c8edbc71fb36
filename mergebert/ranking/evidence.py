"""What the rest of a file and of its merge says about a conflict: the evidence beyond the hunk (measured to pay)."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mergebert.text.languages import Language, language_of
from mergebert.text.markers import Conflict, MergedFile, lines_of
from mergebert.text.threeway import ThreeWay

if TYPE_CHECKING:
    from mergebert.text.history import FileHistory, MergeContext

_WORD = re.compile(r"[^\W\d]\w+")
_DISTINCTIVE = re.compile(r"[^\W_][\W_]*[^\W_][\W_]*[^\W_]")
CONTEXT_LINES = 4

ConflictKey = tuple[int, int]  # a file of a merge, a conflict of that file


@dataclass(frozen=True, slots=True)
class FileMerge:
    """One file of a merge: its path, its line merge, the whole versions where known, and facts of the merge where known."""

    path: str
    merged: MergedFile
    stages: ThreeWay[str] | None = None
    context: MergeContext | None = None
    history: FileHistory | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The agreed lines directly before and after a conflict."""

    before: str
    after: str


class FileEvidence:
    """The agreed part of one file, each fact worked out once when asked for."""

    def __init__(self, file: FileMerge) -> None:
        self.file = file
        self.language: Language = language_of(file.path)
        self.conflicts: tuple[Conflict, ...] = file.merged.conflicts

    @cached_property
    def agreed(self) -> str:
        """The text outside all conflicts."""
        return "".join(part for part in self.file.merged.parts if isinstance(part, str))

    @cached_property
    def words(self) -> Counter[str]:
        """How often each word stands outside the conflicts."""
        return words_of(self.agreed)

    @cached_property
    def lines(self) -> frozenset[str]:
        """The lines outside the conflicts that say something (three letters or more), stripped."""
        return distinctive_lines(self.agreed)

    @cached_property
    def elsewhere(self) -> ThreeWay[Counter[str]] | None:
        """The words of each whole version outside its conflicts; None where the versions are not known."""
        stages = self.file.stages
        if stages is None:
            return None
        sides = [tuple(conflict.sides) for conflict in self.conflicts]
        inside = ThreeWay(*("".join(side[at] for side in sides) for at in range(3)))
        parts = [words_of(whole) - words_of(part) for whole, part in zip(stages, inside, strict=True)]
        return ThreeWay(*parts)

    @cached_property
    def moves(self) -> tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]:
        """Words brought in by ours, taken out by ours, brought in by theirs, taken out by theirs, outside the conflicts."""
        found = self.elsewhere
        if found is None:
            return (frozenset(), frozenset(), frozenset(), frozenset())
        base, ours, theirs = (frozenset(counts) for counts in found)
        return (ours - base, base - ours, theirs - base, base - theirs)

    @cached_property
    def surroundings(self) -> tuple[Surroundings, ...]:
        """What stands around each conflict."""
        parts = self.file.merged.parts
        return tuple(
            Surroundings(
                _tail(parts[at - 1] if at else ""), _head(parts[at + 1] if at + 1 < len(parts) else "")
            )
            for at, part in enumerate(parts)
            if isinstance(part, Conflict)
        )

    @cached_property
    def positions(self) -> tuple[float, ...]:
        """Where each conflict starts, as a share of the agreed text."""
        size, at = max(1, len(self.agreed)), 0
        found = []
        for part in self.file.merged.parts:
            if isinstance(part, Conflict):
                found.append(at / size)
            else:
                at += len(part)
        return tuple(found)


def words_of(text: str) -> Counter[str]:
    """How often each word of two letters or more stands in `text`."""
    return Counter(_WORD.findall(text))


def distinctive_lines(text: str) -> frozenset[str]:
    """The stripped lines of `text` that hold at least three letters or digits."""
    return frozenset(line for line in map(str.strip, text.split("\n")) if is_distinctive(line))


def is_distinctive(line: str) -> bool:
    """Whether a line holds enough to be recognised again; braces and blank lines do not."""
    return _DISTINCTIVE.search(line) is not None


def _tail(part: str | Conflict) -> str:
    return "".join(lines_of(part[-2000:])[-CONTEXT_LINES:]) if isinstance(part, str) else ""


def _head(part: str | Conflict) -> str:
    return "".join(lines_of(part[:2000])[:CONTEXT_LINES]) if isinstance(part, str) else ""
