"""Prepared arrays as batches for the network."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mergebert.classify import length_buckets
from mergebert.encode import CONFLICT_CLASSES
from mergebert.training.model import Targets
from mergebert.training.prepare import HUNKS, TUPLES

Arrays = dict[str, NDArray[Any]]
POOL = 6000  # conflicts among which those of like length are batched together


def load(path: Path) -> Arrays:
    """The arrays of one prepared repository."""
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


def splits(arrays: Arrays, name: str) -> list[NDArray[Any]]:
    """The rows of a ragged array."""
    return np.split(arrays[name], np.cumsum(arrays[f"{name}_sizes"])[:-1])


class Conflicts:
    """The conflicts of some repositories, held in memory as small arrays."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.ids: list[NDArray[np.int16]] = []
        self.kinds: list[NDArray[np.int8]] = []
        self.heads: list[NDArray[np.int16]] = []
        self.class_right: list[NDArray[np.bool_]] = []
        self.tuples: list[NDArray[np.int8]] = []
        self.merge: list[tuple[int, int]] = []
        self.usable: list[bool] = []
        for number, path in enumerate(files):
            self._add(number, load(path))

    def _add(self, number: int, arrays: Arrays) -> None:
        self.ids += splits(arrays, "ids")
        self.kinds += splits(arrays, "kinds")
        self.heads += [heads[:HUNKS] for heads in splits(arrays, "heads")]
        self.class_right += list(arrays["class_right"])
        self.merge += [(number, int(merge)) for merge in arrays["merge"]]
        # A repository may have no conflict that tokens resolve.
        rows = splits(arrays, "tuple_patterns") if "tuple_patterns_sizes" in arrays else []
        at = 0
        for count, right in zip(arrays["tuples"], arrays["class_right"], strict=True):
            table = np.full((count, HUNKS), -1, np.int8)
            for row in range(count):
                table[row, : len(rows[at + row])] = rows[at + row]
            self.tuples.append(table)
            self.usable.append(bool(right.any() or count))
            at += count
        self.usable[-len(arrays["merge"]) :] = [
            usable and bool(located) and not bool(duplicate)
            for usable, located, duplicate in zip(
                self.usable[-len(arrays["merge"]) :], arrays["located"], arrays["duplicate"], strict=True
            )
        ]

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

    def batches(self, order: Sequence[int], columns: int, seed: int) -> Iterator[list[int]]:
        """Groups of conflicts of like length, at most `columns` padded columns each, in an order of no meaning."""
        for start in range(0, len(order), POOL):
            pool = order[start : start + POOL]
            groups = length_buckets([len(self.ids[at]) for at in pool], columns)
            random.Random(seed + start).shuffle(groups)
            yield from ([pool[at] for at in group] for group in groups)

    def tensors(self, group: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor, Targets]:
        """`ids`, `kinds` and targets of a batch."""
        length = max(len(self.ids[at]) for at in group)
        ids = np.zeros((len(group), length, 3), np.int64)
        kinds = np.zeros((len(group), length, 3), np.int64)
        heads = np.full((len(group), HUNKS), -1, np.int64)
        patterns = np.full((len(group), TUPLES, HUNKS), -1, np.int64)
        exists = np.zeros((len(group), TUPLES), bool)
        for row, at in enumerate(group):
            ids[row, : len(self.ids[at])] = self.ids[at]
            kinds[row, : len(self.kinds[at])] = self.kinds[at]
            heads[row, : len(self.heads[at])] = self.heads[at]
            table = self.tuples[at][:TUPLES]
            patterns[row, : len(table)] = table
            exists[row, : len(table)] = True
        # A hunk that was cut off has no column to learn from.
        patterns[np.broadcast_to((heads < 0)[:, None], patterns.shape)] = -1
        right = np.array([self.class_right[at] for at in group]).reshape(len(group), len(CONFLICT_CLASSES))
        arrays = [torch.from_numpy(array) for array in (right, exists, patterns, heads)]
        targets = Targets(arrays[0], arrays[1], arrays[2], arrays[3])
        return torch.from_numpy(ids), torch.from_numpy(kinds), targets
