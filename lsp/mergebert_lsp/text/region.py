"""Conflicts of a text that belong together, and what may stand in their place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mergebert.text.threeway import ThreeWay


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A text for a region, the calibrated confidence that it is right, and how it was made."""

    text: str
    confidence: float
    pattern: str
    method: str


@dataclass(frozen=True, slots=True)
class Region:
    """Conflicts of a text that belong together, nearly always one, and what may stand in their place.

    `text` is the region as it stands, from the first marker to the end of the last one, and `count` how many
    conflicts it holds. `sides` are its versions where git knows more of them. `choices` are texts of the region that
    the markers alone could not tell.
    """

    text: str
    count: int
    suggestions: tuple[Suggestion, ...]
    is_sure: bool
    sides: ThreeWay[str] | None = None
    choices: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The region as `region_of` reads it; by hand, since there are hundreds of them in an answer."""
        suggestions = [[one.text, one.confidence, one.pattern, one.method] for one in self.suggestions]
        return {
            "text": self.text,
            "count": self.count,
            "suggestions": suggestions,
            "is_sure": self.is_sure,
            "sides": None if self.sides is None else list(self.sides),
            "choices": self.choices,
        }


def region_of(row: dict[str, Any]) -> Region:
    """The region that `Region.to_json` wrote."""
    suggestions = tuple(Suggestion(*one) for one in row["suggestions"])
    sides = None if row["sides"] is None else ThreeWay(*row["sides"])
    return Region(**row | {"suggestions": suggestions, "sides": sides})
