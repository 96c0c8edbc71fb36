"""What git tells of the markers in a text: which of them are content, and where a side ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mergebert.text.markers import (
    MarkedConflict,
    TornMarkers,
    are_countless,
    marked_conflicts,
    marker_size_in,
)
from mergebert.text.threeway import ThreeWay


@dataclass(frozen=True, slots=True)
class MarkerFacts:
    """The size of the markers where git's attributes give one, conflicts that a version holds as content, and sides.

    Conflicts are known by their text, which stays the same wherever it moves.
    """

    size: int | None = None
    content: frozenset[str] = frozenset()
    sides: Mapping[str, ThreeWay[str]] = field(default_factory=dict)

    def marked(self, text: str) -> tuple[MarkedConflict | TornMarkers, ...]:
        """The conflicts of `text` and what is left of torn ones, as `marked_conflicts` finds them, with what is known.

        None where they are countless.
        """
        size = marker_size_in(text, self.size)
        found = () if are_countless(text, size) else marked_conflicts(text, size)
        if not (self.content or self.sides):
            return found
        named = ((text[one.start : one.end], one) for one in found)
        return tuple(self._with_sides(name, one) for name, one in named if name not in self.content)

    def _with_sides(self, name: str, one: MarkedConflict | TornMarkers) -> MarkedConflict | TornMarkers:
        if isinstance(one, TornMarkers) or name not in self.sides:
            return one
        return replace(one, conflict=replace(one.conflict, sides=self.sides[name]))

    def to_json(self) -> dict[str, Any]:
        """The facts as `facts_from` reads them."""
        sides = {name: list(one) for name, one in self.sides.items()}
        return {"size": self.size, "content": sorted(self.content), "sides": sides}


def facts_from(row: Mapping[str, Any]) -> MarkerFacts:
    """The facts that `MarkerFacts.to_json` wrote."""
    sides = {name: ThreeWay(*one) for name, one in row["sides"].items()}
    return MarkerFacts(row["size"], frozenset(row["content"]), sides)


def marker_facts(text: str, size: int | None, versions: ThreeWay[str]) -> MarkerFacts:
    """What the attribute and the three versions of a file tell of the markers in its text."""
    in_text = marker_size_in(text, size)
    found = marked_conflicts(text, in_text)
    names = [text[one.start : one.end] for one in found]
    # All that the versions hold, for what is not in the text now may come back with an undo; of any length, for those
    # of another one count too once the last conflict with git's markers is resolved.
    content = {
        version[one.start : one.end]
        for version in versions
        for length in {in_text, None}
        for one in marked_conflicts(version, length)
    }
    content |= {name for name in names if any(name in version for version in versions)}
    sides = {
        name: read.conflict.sides
        for name, one, read in zip(names, found, marked_conflicts(text, in_text, versions), strict=True)
        if isinstance(read, MarkedConflict) and isinstance(one, MarkedConflict) and read.spans != one.spans
    }
    return MarkerFacts(size, frozenset(content), sides)
