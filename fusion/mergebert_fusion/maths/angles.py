"""Inner products and angles between tensors taken as vectors, in float64 on the CPU so that they decide alike everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mergebert_fusion.maths.arithmetic import dot

# Below this sine two vectors are parallel or opposite: the arc between them differs from the straight line by
# less than float32 can say, or its direction is made of rounding errors.
_LEAST_SINE = 1e-3


def gram(vectors: Sequence[Tensor]) -> list[list[float]]:
    """The inner products of all pairs of vectors."""
    products = [[0.0] * len(vectors) for _ in vectors]
    for i, a in enumerate(vectors):
        for j, b in enumerate(vectors[: i + 1]):
            products[i][j] = products[j][i] = dot(a, b)
    return products


def cosine(a: Tensor, b: Tensor) -> float | None:
    """The cosine of the angle between two tensors; None where one of them is zero."""
    return _cosine(dot(a, b), dot(a, a), dot(b, b))


def row_cosines(a: Tensor, b: Tensor) -> list[float | None]:
    """The cosine between every row of a matrix and the same row of another."""
    a, b = (matrix.detach().cpu().to(torch.float64) for matrix in (a, b))
    products = (_row_sums(left * right) for left, right in ((a, b), (a, a), (b, b)))
    return [_cosine(*three) for three in zip(*products, strict=True)]


def arc(t: float, cosine: float | None, straight: float = 1.0) -> tuple[float, float]:
    """What two vectors are multiplied with to get from the first to the second along a great circle, a share t of the way.

    The straight line (1 - t, t) is taken where there is no such circle (a zero vector, opposite vectors) and where
    the cosine is above `straight`.
    """
    if cosine is None or cosine > straight:
        return 1 - t, t
    angle = math.acos(cosine)
    sine = math.sin(angle)
    if sine < _LEAST_SINE:
        return 1 - t, t
    return math.sin(angle - t * angle) / sine, math.sin(t * angle) / sine


def _cosine(product: float, square: float, other: float) -> float | None:
    if square == 0 or other == 0:
        return None
    return max(-1.0, min(1.0, product / math.sqrt(square) / math.sqrt(other)))


def _row_sums(values: Tensor) -> list[float]:
    """The sum of every row, each added up by itself: how many rows come together must not change a bit."""
    return [float(torch.sum(row)) for row in values]
