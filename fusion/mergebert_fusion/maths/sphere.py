"""Points on the sphere that the directions of a few tensors lie on, worked out with their inner products alone.

A point is a combination of the unit vectors and is held as its coefficients, in float64: however large the tensors
are, finding a mean of N of them takes N x N numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from mergebert_fusion.maths.angles import gram

# A sum of unit vectors shorter than this has no direction but that of rounding errors.
_LEAST_LENGTH = 1e-6


@dataclass(frozen=True, slots=True)
class Directions:
    """The lengths of some tensors and the cosines between them; those with a zero tensor are 0."""

    norms: tuple[float, ...]
    cosines: tuple[tuple[float, ...], ...]

    def cosines_to(self, point: Sequence[float]) -> list[float]:
        """The cosine between each tensor and a point of the sphere."""
        return [math.fsum(c * p for c, p in zip(row, point, strict=True)) for row in self.cosines]

    def length(self, point: Sequence[float]) -> float:
        """How far a combination of the unit vectors lies from the centre."""
        square = math.fsum(p * c for p, c in zip(point, self.cosines_to(point), strict=True))
        return math.sqrt(max(0.0, square))

    def mean(self, weights: Sequence[float]) -> list[float] | None:
        """The point in the direction of the weighted sum of the unit vectors; None where they cancel."""
        length = self.length(weights)
        return [weight / length for weight in weights] if length > _LEAST_LENGTH else None

    def coefficients(self, point: Sequence[float], norm: float) -> list[float]:
        """What the tensors themselves are multiplied with to give the point at a distance from the centre."""
        pairs = zip(point, self.norms, strict=True)
        return [norm * share / length if length > 0 else 0.0 for share, length in pairs]


def directions(tensors: Sequence[Tensor]) -> Directions:
    """The directions of tensors taken as vectors."""
    products = gram(tensors)
    norms = tuple(math.sqrt(products[i][i]) for i in range(len(tensors)))
    cosines = tuple(
        tuple(_cosine(products[i][j], norms[i], norms[j], i == j) for j in range(len(tensors)))
        for i in range(len(tensors))
    )
    return Directions(norms, cosines)


def _cosine(product: float, norm: float, other: float, same: bool) -> float:
    if norm == 0 or other == 0:
        return 0.0
    return 1.0 if same else max(-1.0, min(1.0, product / norm / other))
