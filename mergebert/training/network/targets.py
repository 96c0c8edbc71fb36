"""Training targets: the ways to make each candidate of a batch, and which candidates people committed.

A class may name several candidates of a conflict (all mixed line merges are one class), so a network must not be asked
for a class that is right: it would bet on the one that names most. It is asked for the candidate, as at run time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mergebert.ranking.classifier import PRIOR_LOG
from mergebert.training.dataset.prepared import repeated, right_options, split_rows
from mergebert.training.storage import Arrays


@dataclass(frozen=True, slots=True)
class Ways:
    """The distinct ways to make the candidates of one conflict."""

    option: NDArray[np.int64]  # of each way, the candidate it makes
    classes: NDArray[np.int8]  # of each way
    patterns: NDArray[np.int8]  # of the ways through token hunks, one after the other
    sizes: NDArray[np.int32]  # of each way, its number of patterns: one a hunk, none for other classes
    right: NDArray[np.bool_]  # of each candidate


@dataclass(frozen=True, slots=True)
class Targets:
    """The ways of a batch as flat tensors."""

    row: Tensor  # [ways] the conflict of each way in the batch
    option: Tensor  # [ways] its candidate, counted through the batch
    classes: Tensor  # [ways]
    prior: Tensor  # [ways] log prior of its patterns at hunks that were cut off and have no column
    way: Tensor  # [terms] the way that has this pattern at this column
    column: Tensor  # [terms]
    pattern: Tensor  # [terms]
    right: Tensor  # [candidates]
    option_row: Tensor  # [candidates] the conflict of each candidate in the batch

    def to(self, device: torch.device | None) -> Targets:
        """The same on a device."""
        return Targets(*(getattr(self, one.name).to(device) for one in fields(self)))


def ways_of(arrays: Arrays) -> list[Ways]:
    """The ways of every conflict of a prepared repository."""
    origins, options = arrays["origins"], arrays["kind_of_sizes"]
    option = np.repeat(np.arange(len(origins)), origins)
    classes, sizes = arrays["origin_class"].astype(np.int8), arrays["origin_patterns_sizes"]
    kept = ~repeated(option, classes)  # those that go have no patterns: only `tokens` has
    first_option = np.cumsum(options) - options
    conflict = np.repeat(np.arange(len(options)), options)[option]
    ways = np.bincount(conflict[kept], minlength=len(options))
    terms = np.bincount(conflict, sizes, minlength=len(options)).astype(np.int64)
    return [
        Ways(*parts)
        for parts in zip(
            split_rows((option - first_option[conflict])[kept], ways),
            split_rows(classes[kept], ways),
            split_rows(arrays["origin_patterns"], terms),
            split_rows(sizes[kept], ways),
            right_options(arrays),
            strict=True,
        )
    ]


def targets_of(batch: Sequence[Ways], heads: Sequence[NDArray[np.int16]]) -> Targets:
    """The targets of a batch; `heads` are the first columns of each conflict's hunks, -1 where one was cut off."""
    rows = np.repeat(np.arange(len(batch)), [len(one.classes) for one in batch])
    options = [len(one.right) for one in batch]
    first = np.cumsum(options) - options
    option = np.concatenate([one.option + start for one, start in zip(batch, first, strict=True)])
    sizes = np.concatenate([one.sizes for one in batch])
    pattern = np.concatenate([one.patterns for one in batch]).astype(np.int64)
    way = np.repeat(np.arange(len(sizes)), sizes)
    places = np.arange(len(way)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    counts = np.array([len(one) for one in heads])
    head = np.concatenate([*heads, np.zeros(1, np.int16)]).astype(np.int64)
    column = head[(np.cumsum(counts) - counts)[rows[way]] + places]
    is_seen = column >= 0
    prior = np.bincount(way[~is_seen], PRIOR_LOG[pattern[~is_seen]], minlength=len(sizes))
    arrays = (
        rows,
        option,
        np.concatenate([one.classes for one in batch]).astype(np.int64),
        prior.astype(np.float32),
        way[is_seen],
        column[is_seen],
        pattern[is_seen],
        np.concatenate([one.right for one in batch]),
        np.repeat(np.arange(len(batch)), options),
    )
    return Targets(*(torch.from_numpy(np.ascontiguousarray(one)) for one in arrays))
