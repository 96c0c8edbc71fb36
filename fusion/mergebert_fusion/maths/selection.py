"""The exact k-th largest of numbers that are too many to hold, found by counting bit patterns in two passes.

Non-negative float32 numbers sort like their bit patterns. The first pass counts the upper sixteen bits of every
number; the bin that holds the k-th largest is known then, and the second pass counts the lower fifteen within it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from mergebert_fusion.contract.block import Block
from mergebert_fusion.contract.method import Pass, Survey
from mergebert_fusion.maths.arithmetic import sum_by_key

_LOW = 15
_HIGH_BINS, _LOW_BINS = 1 << 16, 1 << _LOW

VectorKey: TypeAlias = Any  # hashable: a model, or a model and a density
Magnitudes: TypeAlias = Callable[[Block[Any, Any, Any]], Mapping[VectorKey, Tensor]]
Counts: TypeAlias = dict[VectorKey, Tensor]


def kth_largest(values: Magnitudes, rank: Callable[[VectorKey, int], int]) -> Survey[dict[VectorKey, float]]:
    """For every key the k-th largest of all its non-negative values, k = rank(key, how many there are), from 1 on.

    A rank of 0 or less gives infinity (nothing is that large), one beyond the count gives 0.
    """
    found = yield from each_kth_largest(values, lambda key, count: (rank(key, count),))
    return {key: value for key, (value,) in found.items()}


def each_kth_largest(
    values: Magnitudes, ranks: Callable[[VectorKey, int], Sequence[int]]
) -> Survey[dict[VectorKey, tuple[float, ...]]]:
    """As `kth_largest`, for several ranks of every key out of one count."""
    upper: Counts = yield Pass(lambda block: _upper_counts(values(block)), sum_by_key)
    bins = {key: [_bin_of(counts, k) for k in ranks(key, int(counts.sum()))] for key, counts in upper.items()}
    lower: Counts = yield Pass(lambda block: _lower_counts(values(block), bins), sum_by_key)
    return {
        key: tuple(_value_at(key, position, lower) for position in wanted) for key, wanted in bins.items()
    }


def kth_largest_of(values: Tensor, rank: int) -> float:
    """The k-th largest of non-negative numbers that are at hand, bounds as in `kth_largest`."""
    position = _bin_of(_upper_counts({0: values})[0], rank)
    return _value_at(0, position, _lower_counts({0: values}, {0: [position]}))


def _upper_counts(values: Mapping[VectorKey, Tensor]) -> Counts:
    return {key: torch.bincount(_bits(v) >> _LOW, minlength=_HIGH_BINS) for key, v in values.items()}


def _lower_counts(
    values: Mapping[VectorKey, Tensor], bins: Mapping[VectorKey, Sequence[tuple[int, int]]]
) -> Counts:
    """The lower bits counted within every bin that is asked for, by key and bin."""
    counts = {}
    for key, value in values.items():
        bits = _bits(value).numpy()  # numpy selects six times as fast as torch on the CPU
        for upper in {upper for upper, _ in bins[key] if upper >= 0}:
            within = bits[(bits >> _LOW) == upper] & (_LOW_BINS - 1)
            counts[key, upper] = torch.from_numpy(np.bincount(within, minlength=_LOW_BINS))
    return counts


def _bits(values: Tensor) -> Tensor:
    """The bit patterns of non-negative float32 numbers, minus zero read as zero."""
    return values.reshape(-1).to("cpu", torch.float32).abs().view(torch.int32)


def _bin_of(counts: Tensor, rank: int) -> tuple[int, int]:
    """The bin that holds the rank-th largest, and its rank within that bin; bins -1 and -2 for none and all."""
    if rank <= 0:
        return -1, 0
    above = counts.flip(0).cumsum(0)
    if rank > int(above[-1]):
        return -2, 0
    position = int(torch.searchsorted(above, rank))
    within = rank - (int(above[position - 1]) if position else 0)
    return counts.numel() - 1 - position, within


def _value_at(key: VectorKey, position: tuple[int, int], counts: Counts) -> float:
    """The number at a position that `_bin_of` gave."""
    upper, rank = position
    if upper < 0:
        return float("inf") if upper == -1 else 0.0
    lower, _ = _bin_of(counts[key, upper], rank)
    return float(torch.tensor((upper << _LOW) | lower, dtype=torch.int32).view(torch.float32))
