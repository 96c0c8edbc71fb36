"""Sums whose bits do not depend on how many threads or which device there are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


def weighted_sum(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The sum of weight times tensor, added up in the order given.

    Every product is rounded before it is added: a fused multiply-add would round differently on another device.
    """
    total = tensors[0] * weights[0]
    for tensor, weight in zip(tensors[1:], weights[1:], strict=True):
        total = total + tensor * weight
    return total


def total(values: Tensor) -> float:
    """The sum of all elements in float64, taken on the CPU in one order whatever the device."""
    return float(torch.sum(values.detach().cpu().to(torch.float64)))


def dot(a: Tensor, b: Tensor) -> float:
    """The inner product of two tensors in float64, taken like `total`."""
    return total(a.detach().cpu().to(torch.float64) * b.detach().cpu().to(torch.float64))


def norm(values: Tensor) -> float:
    """The Euclidean norm of all elements, taken like `total`."""
    return math.sqrt(dot(values, values))


def normalised(weights: Iterable[float]) -> list[float]:
    """The weights divided by their sum, which must not be zero."""
    listed = list(weights)
    whole = math.fsum(listed)
    return [weight / whole for weight in listed]
