"""Which entries of a task vector are kept and how they are scaled: pure functions on tensors."""

from __future__ import annotations

from typing import Any

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


def largest(magnitudes: Tensor, count: int) -> Tensor:
    """A mask of exactly `count` of the largest non-negative numbers; of equal ones those that come first."""
    threshold = kth_largest_of(magnitudes, count)
    above, level = magnitudes > threshold, magnitudes == threshold
    missing = count - int(above.sum())
    return above | (level & (level.reshape(-1).cumsum(0) <= missing).reshape(level.shape))


def survivors(vector: Tensor, kept: Tensor, probability: float | Tensor, rescale: str) -> Tensor:
    """The kept entries, rescaled as `rescale_setting` says, and zeros elsewhere."""
    left = vector * kept
    if rescale == "none":
        return left
    if rescale == "l1":
        remaining = total(left.abs())
        return left * (total(vector.abs()) / remaining) if remaining > 0 else left
    if isinstance(probability, Tensor):
        return left / probability
    return left * (1 / probability) if probability > 0 else left
