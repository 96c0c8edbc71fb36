"""Ranked conflicts of prepared repositories: what calibration and figures are worked out from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mergebert.ranking.candidate_rows import first_rows
from mergebert.text.equivalence import LEVELS, Level
from mergebert.training.config import TrainConfig
from mergebert.training.dataset.prepare import UNLIKE
from mergebert.training.dataset.prepared import EVERY_GRADE, PreparedRepository
from mergebert.training.evaluation.metrics import Outcome

CODE = LEVELS.index(Level.CODE)


@dataclass(frozen=True, slots=True)
class RankedConflicts:
    """Located conflicts of several repositories: of each the probabilities of its classes of candidates, best first, at
    which level of sameness (a number in LEVELS, UNLIKE for none) the likeliest of each class is what people committed, its
    repository, its number there, the same in every scope, and its merge."""

    probabilities: Sequence[NDArray[np.float64]]
    sameness: Sequence[NDArray[np.int8]]
    repositories: Sequence[str]
    numbers: Sequence[int]
    merges: Sequence[int]

    @property
    def best(self) -> NDArray[np.float64]:
        """The probability of each conflict's best class."""
        return np.array([row[0] for row in self.probabilities])

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether each conflict's best class is right."""
        return np.array([row[0] <= CODE for row in self.sameness])

    def outcomes(self) -> list[Outcome]:
        """The same as outcomes, to be measured."""
        rows = zip(self.repositories, self.merges, self.sameness, self.best, strict=True)
        return [
            Outcome(name, str(merge), "", tuple(map(_level, sameness)), confidence=float(best))
            for name, merge, sameness, best in rows
        ]


def ranked_conflicts(
    found: Iterable[tuple[PreparedRepository, NDArray[np.float64]]],
    config: TrainConfig,
    grades: str = EVERY_GRADE,
    is_cleaned: bool = True,
) -> RankedConflicts:
    """The conflicts that count of some repositories, ranked by the probabilities of all rows of each."""
    probabilities, sameness, names, numbers, merges = [], [], [], [], []
    for repository, flat in found:
        rows = np.split(flat, first_rows(repository.sizes)[1:])
        counted = repository.counted(config.ranker.hunks_a_merge, config.seed, grades, is_cleaned)
        for at in np.flatnonzero(counted):
            totals, firsts = by_class(rows[at][:-1], repository.classes[at])
            order = np.argsort(-totals, kind="stable")
            probabilities.append(totals[order])
            sameness.append(repository.sameness[at][firsts][order])
            names.append(repository.name)
            numbers.append(int(at))
            merges.append(int(repository.merge[at]))
    return RankedConflicts(probabilities, sameness, names, numbers, merges)


def _level(sameness: int) -> Level | None:
    return None if sameness == UNLIKE else LEVELS[sameness]


def by_class(
    probabilities: NDArray[np.float64], classes: NDArray[np.int16]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """The probability of each class of candidates, and the likeliest candidate of each."""
    order = np.argsort(-probabilities, kind="stable")
    _, first = np.unique(classes[order], return_index=True)
    return np.bincount(classes, probabilities).astype(np.float64), order[first]
