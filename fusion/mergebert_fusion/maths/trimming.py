"""Trimming task vectors to their largest entries: over a whole model as TIES does, or tensor by tensor.

The paper keeps the top k % of a whole task vector. Its code keeps one more than that and fails at 100 % (it asks for
the 0-th smallest value), and reads a density above 1 as percent. Here a density is a share in [0, 1], the count is
rounded to the nearest whole number, and entries as large as the smallest kept one are kept too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor
from torch.nn import functional

from mergebert_fusion.contract.block import Block
from mergebert_fusion.contract.method import Survey
from mergebert_fusion.maths.selection import kth_largest
from mergebert_fusion.maths.sparsify import kept_count

# The density of every model in a block.
Densities: TypeAlias = Callable[[Block[Any, Any, Any]], Sequence[float]]

# The smallest magnitude that is kept, after the position of the model and the density that it holds for.
Thresholds: TypeAlias = tuple[tuple[int, float, float], ...]


def surveyed_thresholds(densities: Densities) -> Survey[Thresholds]:
    """The thresholds of a trim over all that is surveyed, whole models or one tensor.

    Tensors of a model that share a density are trimmed as one vector.
    """

    def magnitudes(block: Block[Any, Any, Any]) -> dict[tuple[int, float], Tensor]:
        vectors = zip(block.task_vectors, densities(block), strict=True)
        return {(i, density): v.abs() for i, (v, density) in enumerate(vectors) if 0 < density < 1}

    found = yield from kth_largest(magnitudes, lambda key, count: kept_count(key[1], count))
    return tuple((model, density, value) for (model, density), value in sorted(found.items()))


def trimmed(vectors: Sequence[Tensor], densities: Sequence[float], thresholds: Thresholds) -> list[Tensor]:
    """The vectors with 0 in place of what lies below the thresholds."""
    pairs = zip(vectors, densities, strict=True)
    return [
        _thresholded(vector, _threshold(thresholds, i, density)) for i, (vector, density) in enumerate(pairs)
    ]


def _threshold(thresholds: Thresholds, model: int, density: float) -> float:
    """The smallest magnitude of a model that is kept at a density; infinite where nothing is."""
    if 0 < density < 1:
        return next(value for m, d, value in thresholds if (m, d) == (model, density))
    return 0.0 if density >= 1 else math.inf


def _thresholded(vector: Tensor, threshold: float) -> Tensor:
    """The vector with 0 where its magnitude is below the threshold."""
    # hardshrink keeps what is larger than its bound, in a thirtieth of the time of a comparison and a fill.
    return vector if threshold == 0 else functional.hardshrink(vector, _below(threshold))


def _below(threshold: float) -> float:
    """The next smaller float32."""
    return float(np.nextafter(np.float32(threshold), np.float32(0.0)))
