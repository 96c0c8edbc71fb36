"""What is done with a resolution: applied, drafted or only suggested, by its probability and the errors that are allowed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Tier(StrEnum):
    """Applied: put in unasked. Draft: put in by a person's word. Suggested: shown, the conflict stays."""

    APPLIED = "applied"
    DRAFT = "draft"
    SUGGESTED = "suggested"


@dataclass(frozen=True, slots=True)
class ErrorBudgets:
    """The share of what is applied that may be wrong, and that of the drafts, measured without what is applied."""

    applied: float = 0.05  # one applied resolution in twenty may be wrong
    draft: float = 0.2  # and one draft in five: a person looks at each


USUAL_BUDGETS = ErrorBudgets()


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The least probabilities of what is applied and of a draft; above 1 for never."""

    applied: float
    draft: float

    def tier(self, probability: float) -> Tier:
        """The tier of a resolution of this probability."""
        if probability >= self.applied:
            return Tier.APPLIED
        return Tier.DRAFT if probability >= self.draft else Tier.SUGGESTED
