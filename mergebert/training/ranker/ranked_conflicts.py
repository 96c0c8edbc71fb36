"""Ranked conflicts of prepared repositories: what calibration and figures are worked out from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mergebert.ranking.candidate_rows import first_rows
from mergebert.training.config import TrainConfig
from mergebert.training.dataset.prepared import EVERY_GRADE, PreparedRepository
from mergebert.training.evaluation.metrics import Outcome


@dataclass(frozen=True, slots=True)
class RankedConflicts:
    """Located conflicts of several repositories: of each the probabilities of its candidates, best first, which of
    them are right, its repository, its number there, the same in every scope, and its merge."""

    probabilities: Sequence[NDArray[np.float64]]
    right: Sequence[NDArray[np.bool_]]
    repositories: Sequence[str]
    numbers: Sequence[int]
    merges: Sequence[int]

    @property
    def best(self) -> NDArray[np.float64]:
        """The probability of each conflict's best candidate."""
        return np.array([row[0] for row in self.probabilities])

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether each conflict's best candidate is right."""
        return np.array([bool(row[0]) for row in self.right])

    def outcomes(self) -> list[Outcome]:
        """The same as outcomes, to be measured."""
        rows = zip(self.repositories, self.merges, self.right, self.best, strict=True)
        return [
            Outcome(name, str(merge), "", tuple(right.tolist()), confidence=float(best))
            for name, merge, right, best in rows
        ]


def ranked_conflicts(
    found: Iterable[tuple[PreparedRepository, NDArray[np.float64]]],
    config: TrainConfig,
    grades: str = EVERY_GRADE,
) -> RankedConflicts:
    """The conflicts that count of some repositories, ranked by the probabilities of all rows of each."""
    probabilities, right, names, numbers, merges = [], [], [], [], []
    for repository, flat in found:
        starts = first_rows(repository.sizes)[1:]
        rows, hits = np.split(flat, starts), np.split(repository.right, starts)
        for at in np.flatnonzero(repository.counted(config.ranker.hunks_a_merge, config.seed, grades)):
            order = np.argsort(-rows[at][:-1], kind="stable")
            probabilities.append(rows[at][:-1][order])
            right.append(hits[at][:-1][order])
            names.append(repository.name)
            numbers.append(int(at))
            merges.append(int(repository.merge[at]))
    return RankedConflicts(probabilities, right, names, numbers, merges)
