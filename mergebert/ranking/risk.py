"""The error of acting on every resolution that is probable enough, by repository, and the thresholds that keep budgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from mergebert.tiers import ErrorBudgets, Thresholds

CAUTION = 0.5  # standard errors, over repositories, added to the measured error: repositories differ
NEVER = 2.0  # a threshold that no probability reaches
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


@dataclass(frozen=True, slots=True)
class Risk:
    """How many conflicts of each repository have a best resolution of at least each threshold, and how many of these are wrong.

    Thresholds are the highest first; `conflicts` and `wrong` have a row for each, with a number for each repository. Of
    fewer than `least` conflicts together no error is told: they say too little.
    """

    thresholds: Annotated[tuple[Share, ...], msgspec.Meta(min_length=1)]
    conflicts: tuple[tuple[Count, ...], ...]
    wrong: tuple[tuple[Count, ...], ...]
    least: int

    def __post_init__(self) -> None:
        widths = {len(row) for rows in (self.conflicts, self.wrong) for row in rows}
        if {len(self.conflicts), len(self.wrong)} != {len(self.thresholds)} or len(widths) > 1:
            raise ValueError("the counts of the risk are not of one shape")

    def within(self, budgets: ErrorBudgets) -> Thresholds:
        """The lowest thresholds at which what is applied, and what is drafted of the rest, keep their budgets."""
        conflicts, wrong = (np.array(rows, np.int64, ndmin=2) for rows in (self.conflicts, self.wrong))
        applied = self._lowest(conflicts, wrong, budgets.applied)
        if applied is not None:
            conflicts, wrong = conflicts - conflicts[applied], wrong - wrong[applied]
        draft = self._lowest(conflicts, wrong, budgets.draft)
        return Thresholds(*(NEVER if at is None else self.thresholds[at] for at in (applied, draft)))

    def coverage(self, threshold: float) -> float:
        """The share of all conflicts whose best resolution is at least so probable."""
        enough = [
            sum(row) for value, row in zip(self.thresholds, self.conflicts, strict=True) if value >= threshold
        ]
        return enough[-1] / max(1, sum(self.conflicts[-1])) if enough else 0.0

    def _lowest(self, conflicts: NDArray[np.int64], wrong: NDArray[np.int64], budget: float) -> int | None:
        """The last row whose error is within the budget."""
        enough = np.flatnonzero(conflicts.sum(axis=1) >= max(1, self.least))
        kept = enough[(cautious_errors(conflicts[enough], wrong[enough]) <= budget) & (budget > 0)]
        return int(kept[-1]) if len(kept) else None


def cautious_errors(conflicts: NDArray[np.int64], wrong: NDArray[np.int64]) -> NDArray[np.float64]:
    """For each row of counts by repository the share that is wrong and CAUTION standard errors of a mean over clusters.

    One wrong and one right are added: none wrong of sixty is not no risk.
    """
    totals = conflicts.sum(axis=1)
    means = (wrong.sum(axis=1) + 1.0) / (totals + 2.0)
    residuals = wrong - means[:, None] * conflicts
    errors: NDArray[np.float64] = means + CAUTION * np.sqrt((residuals**2).sum(axis=1)) / totals
    return errors
