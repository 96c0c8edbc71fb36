"""The ranker: which candidate of a conflict is right, from named features; gradient-boosted trees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mergebert.errors import ModelBundleError
from mergebert.ranking.features import Values
from mergebert.ranking.trees import Trees

Floats = NDArray[np.float32]


class Ranker:
    """Trees of a bundle that score rows of named features."""

    def __init__(self, model: Path, names: Sequence[str]) -> None:
        self.trees = Trees(model)
        self.names = tuple(names)
        if self.trees.arrays["features"].max(initial=-1) >= len(self.names):
            raise ModelBundleError(
                f"{model} reads features that its bundle does not name; install the bundle again."
            )

    def probabilities(self, conflicts: Sequence[Sequence[Values]]) -> list[NDArray[np.float64]]:
        """For each conflict the probability of each of its candidates; they sum to one."""
        rows = [row for conflict in conflicts for row in conflict]
        if not rows:
            return [np.zeros(0) for _ in conflicts]
        scores = self.trees.scores(matrix(rows, self.names))
        ends = np.cumsum([len(conflict) for conflict in conflicts])
        return [softmax(part) for part in np.split(scores, ends[:-1])]


def matrix(rows: Sequence[Values], names: Sequence[str]) -> Floats:
    """The named values of each row as an array [rows, names]; a name a row does not have is NaN."""
    missing = float("nan")
    return np.array([[row.get(name, missing) for name in names] for row in rows], np.float32)


def softmax(scores: Floats) -> NDArray[np.float64]:
    """Probabilities from scores."""
    raised = np.exp(scores.astype(np.float64) - float(scores.max(initial=0.0)))
    return np.asarray(raised / raised.sum())
