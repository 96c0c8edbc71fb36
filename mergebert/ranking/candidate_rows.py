"""Values of the candidates of several conflicts, one conflict after the other in flat arrays.

`sizes` is how many rows each conflict has: at least one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Sizes = Sequence[int] | NDArray[Any]


def first_rows(sizes: Sizes) -> NDArray[np.int64]:
    """Where the rows of each conflict begin."""
    return np.cumsum(np.asarray(sizes, np.int64)) - sizes


def softmax(scores: NDArray[Any], sizes: Sizes) -> Floats:
    """Probabilities over the rows of each conflict from their scores."""
    starts = first_rows(sizes)
    scores = np.asarray(scores, np.float64)
    raised = np.exp(scores - np.repeat(np.maximum.reduceat(scores, starts), sizes))
    return np.asarray(raised / np.repeat(np.add.reduceat(raised, starts), sizes))


def gaps_ranks_entropies(probabilities: Floats, sizes: Sizes) -> tuple[Floats, Floats, Floats]:
    """For each candidate its gap to the likeliest of its conflict, its rank there from 0, and the conflict's entropy."""
    starts = first_rows(sizes)
    conflict = np.repeat(np.arange(len(starts)), sizes)
    order = np.lexsort((-probabilities, conflict))
    ranks = np.empty(len(order))
    ranks[order] = np.arange(len(order)) - starts[conflict]
    entropy = -np.add.reduceat(probabilities * np.log(probabilities + 1e-9), starts)
    return probabilities - np.maximum.reduceat(probabilities, starts)[conflict], ranks, entropy[conflict]


def with_none(rows: NDArray[Any], sizes: Sizes) -> NDArray[np.float32]:
    """The rows of all candidates, and behind those of each conflict one of NaN for "none of these"."""
    conflict = np.repeat(np.arange(len(sizes)), sizes)
    found = np.full((len(rows) + len(sizes), rows.shape[1]), np.nan, np.float32)
    found[np.arange(len(rows)) + conflict] = rows
    return found
