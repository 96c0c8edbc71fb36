"""Angles between tensors taken as vectors, and points on the sphere of their directions.

Everything rests on inner products in float64, taken on the CPU so that they decide alike everywhere. A point on the
sphere is a combination of the unit vectors and is held as its coefficients: however large the tensors are, finding a
mean of N of them takes N x N numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mergebert_fusion.maths.arithmetic import dot

# Below this sine two vectors are parallel or opposite: the arc between them differs from the straight line by
# less than float32 can say, or its direction is made of rounding errors.
_LEAST_SINE = 1e-3
# A sum of unit vectors shorter than this has no direction but that of rounding errors.
_LEAST_LENGTH = 1e-6


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
    """The two factors of spherical interpolation: sin((1-t) a) / sin(a) and sin(t a) / sin(a) for an angle a.

    Those of linear interpolation, (1 - t, t), where there is no single arc (a zero vector, opposite vectors) and where
    the cosine is above `straight`.
    """
    if cosine is None or cosine > straight:
        return 1 - t, t
    angle = math.acos(cosine)
    sine = math.sin(angle)
    if sine < _LEAST_SINE:
        return 1 - t, t
    return math.sin(angle - t * angle) / sine, math.sin(t * angle) / sine


@dataclass(frozen=True, slots=True)
class Directions:
    """The lengths of some tensors and the cosines between them; those with a zero tensor are 0."""

    norms: tuple[float, ...]
    cosines: tuple[tuple[float, ...], ...]

    def cosines_to(self, point: Sequence[float]) -> list[float]:
        """The cosine between each tensor and a point of the sphere."""
        return [math.fsum(c * p for c, p in zip(row, point, strict=True)) for row in self.cosines]

    def length(self, point: Sequence[float]) -> float:
        """The norm of a combination of the unit vectors."""
        square = math.fsum(p * c for p, c in zip(point, self.cosines_to(point), strict=True))
        return math.sqrt(max(0.0, square))

    def mean(self, weights: Sequence[float]) -> list[float] | None:
        """The point in the direction of the weighted sum of the unit vectors; None where they cancel."""
        length = self.length(weights)
        return [weight / length for weight in weights] if length > _LEAST_LENGTH else None

    def mean_norm(self, weights: Sequence[float]) -> float:
        """The weighted sum of the norms of the tensors."""
        return math.fsum(weight * norm for weight, norm in zip(weights, self.norms, strict=True))

    def coefficients(self, point: Sequence[float], norm: float) -> list[float]:
        """The coefficients of the tensors themselves that give a point this norm."""
        pairs = zip(point, self.norms, strict=True)
        return [norm * share / length if length > 0 else 0.0 for share, length in pairs]


def directions(tensors: Sequence[Tensor]) -> Directions:
    """The directions of tensors taken as vectors."""
    products = gram(tensors)
    norms = tuple(math.sqrt(products[i][i]) for i in range(len(tensors)))
    cosines = tuple(
        tuple(
            _cosine_or_zero(products[i][j], products[i][i], products[j][j], i == j)
            for j in range(len(tensors))
        )
        for i in range(len(tensors))
    )
    return Directions(norms, cosines)


def _cosine(product: float, square: float, other: float) -> float | None:
    """The cosine of two vectors by their inner product and their squared norms."""
    if square == 0 or other == 0:
        return None
    return max(-1.0, min(1.0, product / math.sqrt(square) / math.sqrt(other)))


def _cosine_or_zero(product: float, square: float, other: float, same: bool) -> float:
    cosine = _cosine(product, square, other)
    if cosine is None:
        return 0.0
    return 1.0 if same else cosine


def _row_sums(values: Tensor) -> list[float]:
    """The sum of every row, each added up by itself: how many rows come together must not change a bit."""
    return [float(torch.sum(row)) for row in values]
