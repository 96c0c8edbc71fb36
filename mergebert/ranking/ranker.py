"""The ranker: which candidate of a conflict is right, from named features; gradient-boosted trees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mergebert.errors import ModelBundleError
from mergebert.ranking.candidate_rows import Sizes, softmax
from mergebert.ranking.features import Values
from mergebert.ranking.trees import Trees

Floats = NDArray[np.float32]


class Ranker:
    """Trees of a bundle that score rows of named features."""

    def __init__(self, model: Path, names: Sequence[str]) -> None:
        self.trees = Trees(model)
        self.names = tuple(names)
        self._column = {name: at for at, name in enumerate(self.names)}
        if self.trees.arrays["features"].max(initial=-1) >= len(self.names):
            raise ModelBundleError(
                f"{model} reads features that its bundle does not name; install the bundle again."
            )

    def rows(self, values: Sequence[Values], *others: tuple[Sequence[str], Floats]) -> Floats:
        """Named values, and the columns of other named arrays beside them, in the order that the trees read."""
        rows = matrix(values, self.names)
        for names, columns in others:
            for name, column in zip(names, columns.T, strict=True):
                if name in self._column:
                    rows[:, self._column[name]] = column
        return rows

    def probabilities(self, rows: Floats, sizes: Sizes) -> list[NDArray[np.float64]]:
        """For each of some conflicts the probabilities of its rows, which sum to one; `rows` holds those of all."""
        if not len(rows):
            return [np.zeros(0) for _ in sizes]
        return np.split(softmax(self.trees.scores(rows), sizes), np.cumsum(sizes)[:-1])


def matrix(rows: Sequence[Values], names: Sequence[str]) -> Floats:
    """The named values of each row as an array [rows, names]; a name a row does not have is NaN."""
    missing = float("nan")
    return np.array([[row.get(name, missing) for name in names] for row in rows], np.float32)
