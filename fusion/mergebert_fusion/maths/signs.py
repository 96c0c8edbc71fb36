"""The sign that task vectors elect at each element, and the sum or mean of those that have it (TIES).

Shared by every method that ends as TIES does. Yadav et al., arXiv 2306.01708; the form with weights is mergekit's.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Block
from mergebert_fusion.contract.method import Pass, Survey

# Below this a sum of weights is taken for none: what negative weights leave over must not blow up the quotient.
NO_WEIGHT = 1e-8


def elected_signs(vectors: Sequence[Tensor], undecided: float = 0.0) -> Tensor:
    """The sign of the sum at each element, -1 or 1; `undecided` where the sum is 0."""
    signs = torch.sign(functools.reduce(torch.add, vectors))
    return signs if undecided == 0 else signs + (1.0 - signs.abs()) * undecided


def surveyed_majority(vectors: Callable[[Block[Any, Any, Any]], Sequence[Tensor]]) -> Survey[float]:
    """The sign, -1, 0 or 1, that most elements of the whole model elect; the paper's code gives it to the undecided."""
    balance = yield Pass(lambda block: _balance(elected_signs(vectors(block))), operator.add)
    return float((balance > 0) - (balance < 0))


def disjoint_sum(vectors: Sequence[Tensor], signs: Tensor, weights: Sequence[float]) -> Tensor:
    """The sum, at each element, of the weighted vectors that have the elected sign; 0 where none is elected."""
    return _agreeing(vectors, signs, weights)[0]


def disjoint_mean(vectors: Sequence[Tensor], signs: Tensor, weights: Sequence[float]) -> Tensor:
    """The disjoint sum divided, at each element, by the summed weights of the vectors in it."""
    summed, weight = _agreeing(vectors, signs, weights)
    if min(weights) > 0:
        return summed / weight.clamp(min=NO_WEIGHT)
    return summed / weight.masked_fill(weight.abs() < NO_WEIGHT, 1.0)


def weighted_agreement(vectors: Sequence[Tensor], weights: Sequence[float], normalize: bool) -> Tensor:
    """The disjoint mean, or sum, with the signs that the weighted vectors elect: + where they cancel."""
    signs = elected_signs([vector * weight for vector, weight in zip(vectors, weights, strict=True)], 1.0)
    return (disjoint_mean if normalize else disjoint_sum)(vectors, signs, weights)


def _agreeing(vectors: Sequence[Tensor], signs: Tensor, weights: Sequence[float]) -> tuple[Tensor, Tensor]:
    """What the vectors of the elected sign sum up to, and their weights together."""
    size, weight = torch.zeros_like(signs), torch.zeros_like(signs)
    for vector, own in zip(vectors, weights, strict=True):
        # A magnitude where the signs agree, else 0: truth values would take torch ten times as long.
        agreeing = torch.relu(vector * own * signs)
        size += agreeing
        weight += torch.sign(agreeing) * own
    return size * signs, weight


def _balance(signs: Tensor) -> int:
    """How many more elements are + than -."""
    return int(torch.sum(signs, dtype=torch.float64))
