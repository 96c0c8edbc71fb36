"""Prepared repositories: the arrays that mergebert.training.dataset.prepare has written."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mergebert.example import GRADES
from mergebert.ranking.columns import CONFLICT_CLASSES
from mergebert.ranking.history_features import CONTEXT_FEATURES, HISTORY_FEATURES
from mergebert.repository_names import repository_name
from mergebert.text.equivalence import LEVELS, Level
from mergebert.training.config import TrainConfig
from mergebert.training.dataset.mined import TRAIN, main_languages, repositories_of
from mergebert.training.dataset.subsets import subset
from mergebert.training.storage import Arrays, read_arrays
from mergebert.training.workspace import Workspace

EVERY_GRADE = "".join(GRADES)
SURE_GRADES = "ab"  # of locations that two methods agree on and none contradicts

Floats = NDArray[np.float32]


def prepared_names(config: TrainConfig, split: str) -> list[str]:
    """The repositories of a split that have prepared conflicts, in order of name; of training ones the configured share.

    Test repositories have none for anybody who learns: see mergebert.training.experiments.learning_curve.
    """
    space, names = Workspace(config), repositories_of(config.examples, split)
    if split == TRAIN and config.repositories < 1.0:
        languages = main_languages(config.examples)
        names = subset({name: languages.get(name, "") for name in names}, config.repositories, config.seed)
    return [name for name in names if space.prepared(name).exists()]


def ragged_rows(arrays: Arrays, name: str) -> list[NDArray[Any]]:
    """The rows of a ragged array."""
    return split_rows(arrays[name], arrays[f"{name}_sizes"])


def split_rows(flat: NDArray[Any], sizes: NDArray[Any]) -> list[NDArray[Any]]:
    """The rows of these sizes, of which `flat` holds one after the other."""
    return np.split(flat, np.cumsum(sizes)[:-1]) if len(sizes) else []


def located(arrays: Arrays, grades: str = EVERY_GRADE, is_cleaned: bool = False) -> NDArray[np.bool_]:
    """The conflicts whose resolution was located with one of `grades` and whose content was not seen before; where these
    are to be cleaned, none of a file whose merge was thrown away, or is resolved otherwise elsewhere."""
    wanted = [GRADES.index(grade) for grade in grades]
    found = np.isin(arrays["grade"], wanted) & ~arrays["duplicate"]
    return np.asarray(found & arrays["cleaned"] if is_cleaned else found)


def first_of_each_merge(order: Iterable[int], merges: Sequence[Hashable], most: int) -> list[int]:
    """The first `most` conflicts of each merge: a few merges hold thousands of alike conflicts."""
    taken: Counter[Hashable] = Counter()
    kept = []
    for at in order:
        taken[merges[at]] += 1
        if taken[merges[at]] <= most:
            kept.append(at)
    return kept


def repeated(option: NDArray[np.int64], classes: NDArray[Any]) -> NDArray[np.bool_]:
    """The origins whose class the same candidate has already; only `tokens` tells its origins apart by patterns."""
    pairs = option * len(CONFLICT_CLASSES) + classes.astype(np.int64)
    first = np.zeros(len(pairs), bool)
    first[np.unique(pairs, return_index=True)[1]] = True
    return ~first & (classes != CONFLICT_CLASSES.index("tokens"))


def right_options(arrays: Arrays, level: Level = Level.CODE) -> list[NDArray[np.bool_]]:
    """Which candidates of each conflict are what people committed, at a level of sameness."""
    return [row <= LEVELS.index(level) for row in ragged_rows(arrays, "sameness")]


class PreparedRepository:
    """The conflicts of one repository as the ranker sees them: a row a candidate, and one for "none of these"."""

    def __init__(self, path: Path) -> None:
        arrays = read_arrays(path)
        self.name = repository_name(path.stem)
        self.names = [str(name) for name in arrays["names"]]
        self.features: Floats = arrays["features"]
        self.sizes: NDArray[np.int32] = arrays["features_sizes"]  # rows of each conflict, "none" included
        self.merge, self.file = arrays["merge"], arrays["file_number"]
        self.located = located(arrays)
        self.kinds = ragged_rows(arrays, "kind_of")
        self.classes = ragged_rows(arrays, "class_of")
        self.sameness = ragged_rows(arrays, "sameness")
        self.right = _with_none(right_options(arrays), self.located)
        self.arrays: Arrays = {name: arrays[name] for name in _CLASSIFIER_ARRAYS}

    def __len__(self) -> int:
        return len(self.sizes)

    def counted(
        self, most: int, seed: int, grades: str = EVERY_GRADE, is_cleaned: bool = False
    ) -> NDArray[np.bool_]:
        """The located conflicts that count: of those with one of `grades` at most `most` of one merge, by chance."""
        order = np.flatnonzero(located(self.arrays, grades, is_cleaned))
        random.Random(f"{seed} {self.name}").shuffle(order)  # type: ignore[arg-type]
        kept = np.zeros(len(self), bool)
        kept[first_of_each_merge(order, self.merge.tolist(), most)] = True
        return kept

    def forget_context(self, share: float, seed: int) -> None:
        """Makes what history tells unknown in all but `share` of the merges, so that the trees learn to do without.

        The context of the merge and the history of its files are forgotten each for itself: either may be known alone.
        """
        draw = np.random.default_rng(seed)
        for names in (CONTEXT_FEATURES, HISTORY_FEATURES):
            columns = [self.names.index(name) for name in names]
            drawn = draw.random(int(self.merge.max(initial=0)) + 1)
            forgotten = np.repeat(drawn[self.merge] >= share, self.sizes)
            self.features[np.ix_(forgotten, np.array(columns))] = np.nan


_CLASSIFIER_ARRAYS = (
    *("ids", "ids_sizes", "kinds", "kinds_sizes", "heads", "heads_sizes"),
    *("origins", "origin_class", "origin_patterns", "origin_patterns_sizes"),
    *("grade", "duplicate", "cleaned"),
)


def _with_none(right: Sequence[NDArray[np.bool_]], located: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The right rows of all conflicts: where no candidate is right, the row for "none of these" is."""
    return np.concatenate(
        [np.append(row, known and not row.any()) for row, known in zip(right, located, strict=True)]
    )
