"""Mined examples as arrays: made once, read by the network and the ranker as often as they like.

One file a repository, so that every split is by repository and an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mergebert.errors import DatasetError
from mergebert.example import GRADES, ConflictExample, FileExample, labelled_merge
from mergebert.ranking.columns import Subwords, conflict_class
from mergebert.ranking.evidence import FileEvidence, FileMerge
from mergebert.ranking.model_input import ModelInput, model_inputs
from mergebert.ranking.neighbours import kind_of
from mergebert.ranking.ranker import matrix
from mergebert.text.equivalence import LEVELS, strictest_levels
from mergebert.text.patterns import PATTERNS
from mergebert.training.dataset.mined import merges_of
from mergebert.training.storage import write_arrays

CONFLICTS_A_MERGE = 60  # a few merges hold thousands of alike conflicts; more than this says nothing new

UNLIKE = len(LEVELS)  # no level at which a candidate is what people committed
_PATTERN_INDEX = {pattern: at for at, pattern in enumerate(PATTERNS)}


def file_merge(example: FileExample) -> FileMerge:
    """A mined example as the resolver would meet it; raises DatasetError where its labels are of another text."""
    if [one.index for one in example.conflicts] != list(range(len(example.conflicts))):
        raise DatasetError(
            f"The labels of {example.path} in {example.repository} are out of order; mine it again."
        )
    merged = labelled_merge(example.conflicted, len(example.conflicts))
    return FileMerge(example.path, merged, example.stages, example.context, example.history)


def capped(merge: Sequence[FileExample]) -> list[FileExample]:
    """The examples of a merge cut to CONFLICTS_A_MERGE conflicts by whole files, drawn by hash."""
    kept: list[FileExample] = []
    total = 0
    for example in sorted(
        merge, key=lambda one: hashlib.sha256((one.merge + one.path).encode("utf-8", "replace")).digest()
    ):
        if not kept or total + len(example.conflicts) <= CONFLICTS_A_MERGE:
            kept.append(example)
            total += len(example.conflicts)
    return kept


def prepare(examples: Iterable[FileExample], subwords: Subwords, target: Path) -> int:
    """Writes the arrays of one repository's examples to `target` (an .npz, atomically); the number of conflicts in it."""
    arrays = _Arrays()
    for merge, group in enumerate(merges_of(examples)):
        for example in capped(group):
            evidence = FileEvidence(file_merge(example))
            arrays.start_file(example.is_cleaned)
            for one, mined in zip(model_inputs(evidence, subwords), example.conflicts, strict=True):
                arrays.add(one, mined, merge)
    arrays.write(target)
    return arrays.count


@dataclass
class _Arrays:
    """Rows while they are collected; ragged ones flat with their lengths."""

    rows: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    names: tuple[str, ...] = ()
    file: int = -1
    is_cleaned: bool = True
    count: int = 0

    def start_file(self, is_cleaned: bool) -> None:
        self.file += 1
        self.is_cleaned = is_cleaned

    def add(self, one: ModelInput, mined: ConflictExample, merge: int) -> None:
        rows = self.rows
        self.names = self.names or tuple(one.features[0])
        rows["merge"].append(merge)
        rows["file_number"].append(self.file)
        rows["located"].append(mined.resolution is not None)
        rows["grade"].append(np.int8(GRADES.index(mined.grade) if mined.grade else -1))
        rows["duplicate"].append(mined.duplicate)
        rows["cleaned"].append(self.is_cleaned)
        rows["ids"].append(one.columns.ids.astype(np.int16))
        rows["kinds"].append(one.columns.kinds.astype(np.int8))
        rows["heads"].append(np.array(one.columns.heads, np.int16))
        rows["features"].append(matrix(one.features, self.names))
        rows["kind_of"].append(np.array([kind_of(option) for option in one.options], np.int8))
        self._add_targets(one, mined)
        for option in one.options:
            rows["origins"].append(len(option.origins))
            for origin in option.origins:
                rows["origin_class"].append(conflict_class(origin))
                patterns = (
                    [_PATTERN_INDEX[pattern] for pattern in origin.patterns]
                    if origin.method == "tokens"
                    else []
                )
                rows["origin_patterns"].append(np.array(patterns, np.int8))
        self.count += 1

    def _add_targets(self, one: ModelInput, mined: ConflictExample) -> None:
        sameness = np.full(len(one.options), UNLIKE, np.int8)
        if mined.resolution is not None:
            texts = [option.text for option in one.options]
            levels = strictest_levels(texts, mined.resolution, one.passage)
            sameness[:] = [UNLIKE if level is None else LEVELS.index(level) for level in levels]
        self.rows["sameness"].append(sameness)
        self.rows["class_of"].append(np.array(one.classes, np.int16))

    def write(self, target: Path) -> None:
        """The arrays as one compressed file; ragged rows are flat and `..._sizes` tells their lengths."""
        flat: dict[str, NDArray[Any]] = {"names": np.array(self.names)}
        for name, rows in self.rows.items():
            if rows and isinstance(rows[0], np.ndarray):
                flat[name] = np.concatenate(rows)
                flat[f"{name}_sizes"] = np.array([len(row) for row in rows], np.int32)
            else:
                flat[name] = np.array(rows)
        write_arrays(target, flat, is_compressed=True)
