"""Prepared arrays as batches for the network."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mergebert.classify import length_buckets, padded
from mergebert.encode import CONFLICT_CLASSES, Columns
from mergebert.example import GRADES
from mergebert.training.model import Targets
from mergebert.training.prepare import HUNKS, TUPLES

EVERY_GRADE = "".join(GRADES)
SURE_GRADES = "ab"  # of locations that two methods agree on and none contradicts
Arrays = dict[str, NDArray[Any]]
POOL = 6000  # conflicts among which those of like length are batched together


def load(path: Path) -> Arrays:
    """The arrays of one prepared repository."""
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


def splits(arrays: Arrays, name: str) -> list[NDArray[Any]]:
    """The rows of a ragged array."""
    sizes = arrays[f"{name}_sizes"]
    return np.split(arrays[name], np.cumsum(sizes)[:-1]) if len(sizes) else []


def taught(arrays: Arrays, grades: str) -> NDArray[np.bool_]:
    """The conflicts whose resolution was located with one of `grades` and whose content was not seen before."""
    wanted = [GRADES.index(grade) for grade in grades]
    found: NDArray[np.bool_] = np.isin(arrays["grade"], wanted) & ~arrays["duplicate"]
    return found


def from_step(start: int, epoch: Callable[[int], Iterable[list[int]]]) -> Iterator[tuple[int, list[int]]]:
    """The batches of one epoch after the other with their numbers, from number `start` on."""
    numbered = enumerate(group for at in count() for group in epoch(at))
    return ((number, group) for number, group in numbered if number >= start)


class Encoded:
    """Columns of some repositories, held in memory as small arrays."""

    def __init__(self) -> None:
        self.ids: list[NDArray[np.int16]] = []
        self.kinds: list[NDArray[np.int8]] = []

    def add(self, arrays: Arrays) -> None:
        """Adds the columns of a repository; a conflict whose content was seen before brings nothing new."""
        fresh = ~arrays["duplicate"] if "duplicate" in arrays else np.ones(len(arrays["ids_sizes"]), bool)
        self.ids += [row for row, new in zip(splits(arrays, "ids"), fresh, strict=True) if new]
        self.kinds += [row for row, new in zip(splits(arrays, "kinds"), fresh, strict=True) if new]

    def batches(self, order: Sequence[int], columns: int, seed: int) -> Iterator[list[int]]:
        """Groups of conflicts of like length, at most `columns` padded columns each, in an order of no meaning."""
        for start in range(0, len(order), POOL):
            pool = order[start : start + POOL]
            groups = length_buckets([len(self.ids[at]) for at in pool], columns)
            random.Random(seed + start).shuffle(groups)
            yield from ([pool[at] for at in group] for group in groups)

    def padded(self, group: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """`ids` and `kinds` of a batch, [batch, length, 3]."""
        return padded([Columns(self.ids[at], self.kinds[at], ()) for at in group])  # type: ignore[arg-type]


class Conflicts(Encoded):
    """The conflicts of some repositories and what resolves them.

    Those can be learnt whose resolution was located with one of `grades`, not seen before, and can be expressed.
    """

    def __init__(self, files: Sequence[Path], grades: str = EVERY_GRADE) -> None:
        super().__init__()
        self.heads: list[NDArray[np.int16]] = []
        self.class_right: list[NDArray[np.bool_]] = []
        self.tuples: list[NDArray[np.int8]] = []
        self.merge: list[tuple[int, int]] = []
        self.usable: list[bool] = []
        for number, path in enumerate(files):
            self._add(number, load(path), grades)

    def _add(self, number: int, arrays: Arrays, grades: str) -> None:
        self.ids += splits(arrays, "ids")
        self.kinds += splits(arrays, "kinds")
        self.heads += [heads[:HUNKS] for heads in splits(arrays, "heads")]
        self.class_right += list(arrays["class_right"])
        self.merge += [(number, int(merge)) for merge in arrays["merge"]]
        # A repository may have no conflict that tokens resolve.
        rows = splits(arrays, "tuple_patterns") if "tuple_patterns_sizes" in arrays else []
        at = 0
        for size in arrays["tuples"]:
            table = np.full((size, HUNKS), -1, np.int8)
            for row in range(size):
                table[row, : len(rows[at + row])] = rows[at + row]
            self.tuples.append(table)
            at += size
        expressed = arrays["class_right"].any(1) | (arrays["tuples"] > 0)
        self.usable += (expressed & taught(arrays, grades)).tolist()

    def chosen(self, most: int, seed: int) -> list[int]:
        """The usable conflicts, at most `most` of one merge, in an order of no meaning."""
        order = [at for at, usable in enumerate(self.usable) if usable]
        random.Random(seed).shuffle(order)
        taken: dict[tuple[int, int], int] = {}
        kept = []
        for at in order:
            taken[self.merge[at]] = taken.get(self.merge[at], 0) + 1
            if taken[self.merge[at]] <= most:
                kept.append(at)
        return kept

    def tensors(
        self, group: Sequence[int], device: torch.device | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, Targets]:
        """`ids`, `kinds` and targets of a batch."""
        ids, kinds = self.padded(group)
        heads = np.full((len(group), HUNKS), -1, np.int64)
        patterns = np.full((len(group), TUPLES, HUNKS), -1, np.int64)
        exists = np.zeros((len(group), TUPLES), bool)
        for row, at in enumerate(group):
            heads[row, : len(self.heads[at])] = self.heads[at]
            table = self.tuples[at][:TUPLES]
            patterns[row, : len(table)] = table
            exists[row, : len(table)] = True
        # A hunk that was cut off has no column to learn from.
        patterns[np.broadcast_to((heads < 0)[:, None], patterns.shape)] = -1
        right = np.array([self.class_right[at] for at in group]).reshape(len(group), len(CONFLICT_CLASSES))
        arrays = (ids, kinds, right, exists, patterns, heads)
        tensors = [torch.from_numpy(array).to(device) for array in arrays]
        return tensors[0], tensors[1], Targets(tensors[2], tensors[3], tensors[4], tensors[5])
