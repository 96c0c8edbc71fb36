"""Prepared arrays as batches for the network."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mergebert.errors import DatasetError
from mergebert.ranking.classifier import length_buckets, padded
from mergebert.ranking.columns import Columns
from mergebert.training.dataset.prepared import (
    EVERY_GRADE,
    first_of_each_merge,
    located,
    ragged_rows,
    right_options,
)
from mergebert.training.network.targets import Targets, Ways, targets_of, ways_of
from mergebert.training.storage import Arrays, read_arrays

POOL = 6000  # conflicts among which those of like length are batched together


def from_step(start: int, epoch: Callable[[int], Iterable[list[int]]]) -> Iterator[tuple[int, list[int]]]:
    """The batches of one epoch after the other with their numbers, from number `start` on."""
    numbered = enumerate(group for at in count() for group in _some(epoch(at)))
    return ((number, group) for number, group in numbered if number >= start)


def _some(groups: Iterable[list[int]]) -> Iterator[list[int]]:
    """The batches of an epoch; raises DatasetError where there is none, or one empty epoch would follow the other."""
    is_empty = True
    for group in groups:
        is_empty = False
        yield group
    if is_empty:
        raise DatasetError("There is no conflict to train on; mine more, or take in more repositories.")


class EncodedColumns:
    """Columns of some repositories, held in memory as small arrays."""

    def __init__(self) -> None:
        self.ids: list[NDArray[np.int16]] = []
        self.kinds: list[NDArray[np.int8]] = []

    def add(self, arrays: Arrays) -> None:
        """Adds the columns of a repository; a conflict whose content was seen before brings nothing new."""
        fresh = ~arrays["duplicate"] if "duplicate" in arrays else np.ones(len(arrays["ids_sizes"]), bool)
        self.ids += [row for row, new in zip(ragged_rows(arrays, "ids"), fresh, strict=True) if new]
        self.kinds += [row for row, new in zip(ragged_rows(arrays, "kinds"), fresh, strict=True) if new]

    def batches(self, order: Sequence[int], columns: int, seed: int) -> Iterator[list[int]]:
        """Groups of conflicts of like length, at most `columns` padded columns each, shuffled."""
        for start in range(0, len(order), POOL):
            pool = order[start : start + POOL]
            groups = length_buckets([len(self.ids[at]) for at in pool], columns)
            random.Random(seed + start).shuffle(groups)
            yield from ([pool[at] for at in group] for group in groups)

    def padded(self, group: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """`ids` and `kinds` of a batch, [batch, length, 3]."""
        return padded([Columns(self.ids[at], self.kinds[at], ()) for at in group])  # type: ignore[arg-type]


class LabelledConflicts(EncodedColumns):
    """The conflicts of some repositories, the ways to make each of their candidates, and which candidates are right.

    Those can be learnt whose resolution was located with one of `grades`, not seen before, and is a candidate.
    """

    def __init__(self, files: Sequence[Path], grades: str = EVERY_GRADE) -> None:
        super().__init__()
        self.heads: list[NDArray[np.int16]] = []
        self.ways: list[Ways] = []
        self.merge: list[tuple[int, int]] = []
        self.usable: list[bool] = []
        for number, path in enumerate(files):
            self._add(number, read_arrays(path), grades)

    def _add(self, number: int, arrays: Arrays, grades: str) -> None:
        self.ids += ragged_rows(arrays, "ids")
        self.kinds += ragged_rows(arrays, "kinds")
        self.heads += ragged_rows(arrays, "heads")
        self.ways += ways_of(arrays)
        self.merge += [(number, int(merge)) for merge in arrays["merge"]]
        expressed = np.array([row.any() for row in right_options(arrays)], bool)
        self.usable += (expressed & located(arrays, grades, is_cleaned=True)).tolist()

    def chosen(self, most: int, seed: int) -> list[int]:
        """The usable conflicts, at most `most` of one merge, shuffled."""
        order = [at for at, usable in enumerate(self.usable) if usable]
        random.Random(seed).shuffle(order)
        return first_of_each_merge(order, self.merge, most)

    def tensors(
        self, group: Sequence[int], device: torch.device | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, Targets]:
        """`ids`, `kinds` and targets of a batch."""
        ids, kinds = self.padded(group)
        targets = targets_of([self.ways[at] for at in group], [self.heads[at] for at in group])
        return torch.from_numpy(ids).to(device), torch.from_numpy(kinds).to(device), targets.to(device)
