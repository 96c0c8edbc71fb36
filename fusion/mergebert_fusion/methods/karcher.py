"""Karcher mean: the point of the sphere with the least sum of squared arcs to all models.

Of the directions u_t = W_t / |W_t| of each tensor, u minimises sum_t a_t angle(u, u_t)^2 by steps
u <- exp_u(sum_t a_t log_u(u_t)); W = (sum_t a_t |W_t|) u. Karcher, 1977; for weights: mergekit, and Wang et al.,
Functionality-Oriented LLM Merging on the Fisher-Rao Manifold, arXiv 2603.04972, of which only the abstract could be read.

For two models this is slerp with norms averaged. Everything happens on the inner products of the models, in float64, so
that steps cost nothing and the default is to converge; mergekit makes ten, up to 1e-5, in the type of the files. Weights
are ours: mergekit's are equal. A model opposite to the mean has no arc of its own and is passed over in that step
(there rounding errors are blown up into one); where all directions cancel, the weighted mean of the models is taken,
and not the first model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.contract.parameters import setting
from mergebert_fusion.maths.arithmetic import normalised, weighted_sum
from mergebert_fusion.maths.sphere import Directions, directions
from mergebert_fusion.methods.multislerp import ModelParameters, check

# Below this sine of its angle an arc is straight, or its direction is made of rounding errors; either way the tangent
# vector is taken as short as it is.
_LEAST_SINE = 1e-6


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a recipe may set for a tensor."""

    max_iter: int = setting(100, "the most steps towards the mean", at_least=0)
    tol: float = setting(1e-10, "the length of a step that is the last one", at_least=0)


def karcher(block: Block[Parameters, ModelParameters, None]) -> Tensor:
    """The mean direction of the models, at their mean norm."""
    weights = normalised(model.weight for model in block.each)
    sphere = directions(block.models)
    start = sphere.mean(weights)
    if start is None:
        return weighted_sum(block.models, weights)
    mean = _karcher_mean(sphere, start, weights, block.parameters)
    return weighted_sum(block.models, sphere.coefficients(mean, sphere.mean_norm(weights)))


def _karcher_mean(
    sphere: Directions, point: list[float], weights: Sequence[float], limits: Parameters
) -> list[float]:
    for _ in range(limits.max_iter):
        step = _step(sphere, point, weights)
        length = sphere.length(step)
        if length <= limits.tol:
            break
        pairs = zip(point, step, strict=True)
        point = [math.cos(length) * p + math.sin(length) / length * s for p, s in pairs]
        point = sphere.mean(point) or point
    return point


def _step(sphere: Directions, point: Sequence[float], weights: Sequence[float]) -> list[float]:
    """sum_t a_t log_point(u_t), a vector in the tangent space at the point."""
    step = [0.0] * len(point)
    for i, cosine in enumerate(sphere.cosines_to(point)):
        angle = math.acos(max(-1.0, min(1.0, cosine)))
        sine = math.sin(angle)
        share = weights[i] * (angle / sine if sine >= _LEAST_SINE else 1.0)
        step = [s - share * cosine * p for s, p in zip(step, point, strict=True)]
        step[i] += share
    return step


METHOD = MergeMethod(
    name="karcher",
    summary="the mean of several models on the sphere, at their mean length",
    reference="Karcher, 1977; for weights: mergekit; Wang et al., arXiv 2603.04972",
    family=Family.AVERAGES,
    base=BaseUse.UNUSED,
    parameters=Parameters,
    model_parameters=ModelParameters,
    least_models=2,
    check=check,
    merge=karcher,
    grain=Grain.TENSOR,
)
