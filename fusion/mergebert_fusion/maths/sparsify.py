"""Which entries of a task vector are kept and how they are scaled: pure functions on tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mergebert_fusion.contract.parameters import setting
from mergebert_fusion.maths.arithmetic import total
from mergebert_fusion.maths.selection import kth_largest_of


def rescale_setting() -> Any:
    """The dataclass field for how the entries that survive a drop make up for the others.

    "probability": each is divided by the probability that it was kept, which keeps the expectation. "l1": all are
    multiplied so that the sum of magnitudes stays, which depends on the draw; this is what mergekit calls rescale.
    """
    return setting(
        "probability",
        "divide by the probability of being kept (paper), keep the L1 norm of a tensor (mergekit), or neither",
        choices=("probability", "l1", "none"),
        varies=False,
    )


def kept_count(density: float, count: int) -> int:
    """How many of `count` entries a density keeps: the nearest whole number, but at least one unless it is 0."""
    return min(count, max(1, round(density * count))) if density > 0 else 0


def largest_mask(magnitudes: Tensor, count: int) -> Tensor:
    """A mask of exactly `count` of the largest non-negative numbers; of equal ones those that come first."""
    threshold = kth_largest_of(magnitudes, count)
    above, level = magnitudes > threshold, magnitudes == threshold
    missing = count - int(above.sum())
    return above | (level & (level.reshape(-1).cumsum(0) <= missing).reshape(level.shape))


def masked(vector: Tensor, mask: Tensor) -> Tensor:
    """The entries under the mask, and zeros elsewhere."""
    return torch.where(mask, vector, torch.zeros_like(vector))


def masked_and_rescaled(vector: Tensor, mask: Tensor, probability: float | Tensor, rescale: str) -> Tensor:
    """The entries under the mask, rescaled as `rescale_setting` says, and zeros elsewhere.

    `probability` is that of an entry to be kept: one for all, or one for each.
    """
    left = vector * mask
    if rescale == "none":
        return left
    if rescale == "l1":
        remaining = total(left.abs())
        return left * (total(vector.abs()) / remaining) if remaining > 0 else left
    if isinstance(probability, Tensor):
        return left / probability
    return left * (1 / probability) if probability > 0 else left
