"""Sums whose bits do not depend on how many threads or which device there are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor

K = TypeVar("K")


def weighted_sum(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The sum of weight times tensor, added up in the order given.

    Every product is rounded before it is added: a fused multiply-add would round differently on another device.
    """
    total = tensors[0] * weights[0]
    for tensor, weight in zip(tensors[1:], weights[1:], strict=True):
        total = total + tensor * weight
    return total


def mean(tensors: Sequence[Tensor]) -> Tensor:
    """The mean of the tensors at each element, added up in the order given."""
    return weighted_sum(tensors, [1 / len(tensors)] * len(tensors))


def rows_of(tensor: Tensor) -> Tensor:
    """The vectors along the last dimension as the rows of a matrix; a scalar is a row of one."""
    return tensor.reshape(-1, tensor.shape[-1] if tensor.dim() else 1)


def total(values: Tensor) -> float:
    """The sum of all elements in float64, taken on the CPU in one order whatever the device."""
    return float(torch.sum(values.detach().cpu().to(torch.float64)))


def dot(a: Tensor, b: Tensor) -> float:
    """The inner product of two tensors in float64, taken like `total`."""
    return total(a.detach().cpu().to(torch.float64) * b.detach().cpu().to(torch.float64))


def sum_by_key(a: Mapping[K, Tensor], b: Mapping[K, Tensor]) -> dict[K, Tensor]:
    """The tensors of both, those of one key added up."""
    return {key: a[key] + b[key] if key in a and key in b else value for key, value in {**a, **b}.items()}


def normalised(weights: Iterable[float]) -> list[float]:
    """The weights divided by their sum, which must not be zero."""
    listed = list(weights)
    whole = math.fsum(listed)
    return [weight / whole for weight in listed]
