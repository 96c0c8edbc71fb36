"""What ranking gives: resolutions of a conflict, best first, and what may be done with the best."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mergebert.ranking.evidence import ConflictKey, FileMerge
from mergebert.text.markers import Conflict
from mergebert.tiers import ErrorBudgets, Tier


@dataclass(frozen=True, slots=True)
class Resolution:
    """A text for a conflict, how it was made, and the calibrated probability that a person would commit it or its like.

    `variants` are other texts that are the same resolution, likeliest first; they share the one confidence.
    """

    text: str
    pattern: str
    method: str
    confidence: float
    variants: tuple[Resolution, ...] = ()


@dataclass(frozen=True, slots=True)
class RankedConflict:
    """A conflict with its resolutions, no two of them the same, best first; and the tier of the best."""

    conflict: Conflict
    resolutions: tuple[Resolution, ...]
    tier: Tier = Tier.SUGGESTED

    @property
    def accepted(self) -> bool:
        """Whether the best is sure enough to apply."""
        return self.tier is Tier.APPLIED

    def refused(self) -> RankedConflict:
        """The same conflict, left to a person."""
        return RankedConflict(self.conflict, self.resolutions)


class AnyResolver(Protocol):
    """What is asked of a resolver; tests pass their own."""

    def rank(
        self,
        files: Sequence[FileMerge],
        budgets: ErrorBudgets = ...,
        answers: Mapping[ConflictKey, str] | None = ...,
        wanted: Container[ConflictKey] | None = ...,
    ) -> list[list[RankedConflict]]:
        """Every conflict of every file of one merge, with ranked resolutions where it is wanted; None wants all."""
