"""A row of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """How one way of merging does."""

    label: str
    method: str
    scores: Mapping[str, float]
    normalised: Mapping[str, float]  # by the score of the expert of each task
    seconds: float
    peak: int  # bytes beyond the program itself
    restored: bool  # whether every task was scored on its own model, restored from the fusion

    @property
    def mean(self) -> float:
        """The mean of the normalised scores."""
        return sum(self.normalised.values()) / len(self.normalised)

    @property
    def worst(self) -> str:
        """The task that suffers most."""
        return min(self.normalised, key=lambda task: self.normalised[task])
