"""Conflicts of a text that belong together, and what may stand in their place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mergebert.text.threeway import ThreeWay


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A text for conflicts, the calibrated confidence that it is right, and how it was made."""

    text: str
    confidence: float
    pattern: str
    method: str


@dataclass(frozen=True, slots=True)
class ConflictSuggestions:
    """Conflicts of a text that belong together, nearly always one, and what may stand in their place.

    `text` is how they stand there, from the first marker to the end of the last one, and `count` how many
    conflicts that is. `sides` are their versions where git knows more of them. `choices` are texts for them that the
    markers alone could not tell.
    """

    text: str
    count: int
    suggestions: tuple[Suggestion, ...]
    is_sure: bool
    sides: ThreeWay[str] | None = None
    choices: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The suggestions as `suggestions_of` reads them; by hand, since there are hundreds of them in an answer."""
        suggestions = [[one.text, one.confidence, one.pattern, one.method] for one in self.suggestions]
        return {
            "text": self.text,
            "count": self.count,
            "suggestions": suggestions,
            "is_sure": self.is_sure,
            "sides": None if self.sides is None else list(self.sides),
            "choices": self.choices,
        }


def suggestions_of(row: dict[str, Any]) -> ConflictSuggestions:
    """The suggestions that `ConflictSuggestions.to_json` wrote."""
    suggestions = tuple(Suggestion(*one) for one in row["suggestions"])
    sides = None if row["sides"] is None else ThreeWay(*row["sides"])
    return ConflictSuggestions(**row | {"suggestions": suggestions, "sides": sides})
