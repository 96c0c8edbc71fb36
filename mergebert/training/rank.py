"""Training the ranker: gradient-boosted trees over candidates, taught by the likelihood of the human's choice.

Two passes, as the resolver runs them. The first sees each conflict alone; its beliefs about the other conflicts of a
merge, always of trees that did not learn from that repository, are features of the second, beside the classifier.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from mergebert.example import GRADES
from mergebert.ranking.candidate_rows import softmax
from mergebert.ranking.classifier import CLASSIFIER_FEATURES, classifier_features, log_softmax
from mergebert.ranking.features import CONTEXT_FEATURES, language_number
from mergebert.ranking.neighbours import NEIGHBOUR_FEATURES, Prediction, neighbour_features
from mergebert.training.config import RankerConfig
from mergebert.training.dataset import EVERY_GRADE, splits
from mergebert.training.files import Arrays, read_arrays
from mergebert.training.targets import repeated

Floats = NDArray[np.float32]


class Repository:
    """The conflicts of one repository as the ranker sees them: a row a candidate, and one for "none of these"."""

    def __init__(self, path: Path) -> None:
        arrays = read_arrays(path)
        self.name = path.stem.replace("+", "/")
        self.names = [str(name) for name in arrays["names"]]
        self.features: Floats = arrays["features"]
        self.sizes: NDArray[np.int32] = arrays["features_sizes"]  # rows of each conflict, "none" included
        self.merge, self.file = arrays["merge"], arrays["file_number"]
        self.located = arrays["located"] & ~arrays["duplicate"]
        self.grade: NDArray[np.int8] = arrays["grade"]  # an index in GRADES
        self.kinds = splits(arrays, "kind_of")
        starts = np.cumsum(self.sizes) - self.sizes
        is_python = self.features[starts, self.names.index("language")] == language_number("python")
        self.right = _with_none(
            _strict(splits(arrays, "right"), splits(arrays, "exact"), is_python), self.located
        )
        self.arrays: Arrays = {name: arrays[name] for name in _CLASSIFIER_ARRAYS}

    def __len__(self) -> int:
        return len(self.sizes)

    def graded(self, grades: str) -> NDArray[np.bool_]:
        """The located conflicts whose location is of one of `grades`."""
        return np.asarray(self.located & np.isin(self.grade, [GRADES.index(grade) for grade in grades]))

    def counted(self, most: int, seed: int, grades: str = EVERY_GRADE) -> NDArray[np.bool_]:
        """The located conflicts that count: of those with one of `grades` at most `most` of one merge, by chance."""
        order = np.flatnonzero(self.graded(grades))
        random.Random(f"{seed} {self.name}").shuffle(order)  # type: ignore[arg-type]
        taken: dict[int, int] = {}
        kept = np.zeros(len(self), bool)
        for at in order:
            merge = int(self.merge[at])
            taken[merge] = taken.get(merge, 0) + 1
            kept[at] = taken[merge] <= most
        return kept

    def forget_context(self, share: float, seed: int) -> None:
        """Makes the context features unknown in all but `share` of the merges, so that the trees learn to do without."""
        columns = [self.names.index(name) for name in CONTEXT_FEATURES]
        draw = np.random.default_rng(seed).random(int(self.merge.max(initial=0)) + 1)
        forgotten = np.repeat(draw[self.merge] >= share, self.sizes)
        self.features[np.ix_(forgotten, np.array(columns))] = np.nan


_CLASSIFIER_ARRAYS = (
    "ids",
    "ids_sizes",
    "kinds",
    "kinds_sizes",
    "heads",
    "heads_sizes",
    "origins",
    "origin_class",
    "origin_patterns",
    "origin_patterns_sizes",
)


def _strict(
    right: Sequence[NDArray[np.bool_]], exact: Sequence[NDArray[np.bool_]], where: NDArray[np.bool_]
) -> list[NDArray[np.bool_]]:
    """Where white space has meaning and a candidate equals the resolution to the byte, only such candidates are right."""
    return [
        two if strict and two.any() else one for one, two, strict in zip(right, exact, where, strict=True)
    ]


def _with_none(right: Sequence[NDArray[np.bool_]], located: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The right rows of all conflicts: where no candidate is right, the row for "none of these" is."""
    return np.concatenate(
        [np.append(row, known and not row.any()) for row, known in zip(right, located, strict=True)]
    )


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to learn from: features, which rows are right, and how many rows each conflict has."""

    features: Floats
    right: NDArray[np.bool_]
    sizes: NDArray[np.int32]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A repository with the features of every row, and which of its conflicts are to be used."""

    repository: Repository
    features: Floats
    names: tuple[str, ...]
    use: NDArray[np.bool_]


def drawn_conflicts(
    repositories: Iterable[Repository], config: RankerConfig, seed: int, grades: str = EVERY_GRADE
) -> dict[str, NDArray[np.bool_]]:
    """Which conflicts of each repository teach the trees."""
    counted = {one.name: one.counted(config.hunks_a_merge, seed, grades) for one in repositories}
    return dict(zip(counted, _at_most(list(counted.values()), config.hunks, seed), strict=True))


def table(parts: Iterable[Part], chosen: Mapping[str, NDArray[np.bool_]]) -> Table:
    """The used conflicts of some repositories that are among the chosen as one table; a part is let go once read."""
    features, right, sizes = [], [], []
    names: tuple[str, ...] = ()
    for part in parts:
        names = part.names
        kept = chosen[part.repository.name] & part.use
        flat = np.repeat(kept, part.repository.sizes)
        features.append(part.features[flat])
        right.append(part.repository.right[flat])
        sizes.append(part.repository.sizes[kept])
    return Table(np.concatenate(features), np.concatenate(right), np.concatenate(sizes), names)


def _at_most(chosen: list[NDArray[np.bool_]], most: int, seed: int) -> list[NDArray[np.bool_]]:
    """The same with at most `most` chosen in all, drawn by chance; 0 leaves all."""
    flat = np.concatenate(chosen)
    places = np.flatnonzero(flat)
    if 0 < most < len(places):
        flat[np.random.default_rng(seed).permutation(places)[most:]] = False
    return np.split(flat, np.cumsum([len(part) for part in chosen])[:-1])


def grown(data: Table, config: RankerConfig, seed: int, rounds: int | None = None) -> lightgbm.Booster:
    """Trees whose scores, in a softmax over the rows of a conflict, make the human's choice likely."""
    starts = np.cumsum(data.sizes) - data.sizes

    def objective(scores: NDArray[Any], _: lightgbm.Dataset) -> tuple[NDArray[Any], NDArray[Any]]:
        shares = softmax(scores, data.sizes)
        hits = shares * data.right
        wanted = hits / np.repeat(np.maximum(np.add.reduceat(hits, starts), 1e-12), data.sizes)
        return shares - wanted, np.maximum(shares * (1.0 - shares), 1e-3)

    settings = {
        "objective": objective,
        "learning_rate": config.learning_rate,
        "num_leaves": config.leaves,
        "min_data_in_leaf": config.leaf_rows,
        "min_sum_hessian_in_leaf": 1.0,
        "feature_fraction": config.feature_share,
        "bagging_fraction": config.row_share,
        "bagging_freq": 1,
        "lambda_l2": 2.0,
        "max_bin": 63,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": config.threads,
        "verbosity": -1,
    }
    rows = lightgbm.Dataset(
        data.features, np.zeros(len(data.features)), feature_name=[f"f{at}" for at in range(len(data.names))]
    )
    return lightgbm.train(settings, rows, rounds or config.rounds)


def beliefs_of(booster: lightgbm.Booster, repository: Repository, features: Floats) -> NDArray[np.float64]:
    """The probability of every row of a repository."""
    return softmax(np.asarray(booster.predict(features, num_threads=1)), repository.sizes)


class View(Enum):
    """How much of a merge is seen at once."""

    MERGE = "merge"  # all its files, as `solve` has them
    FILE = "file"  # one file, as the merge driver has it
    ANSWERS = "answers"  # all its files, some conflicts answered by a person


def joint_table(
    repository: Repository, first: NDArray[np.float64], view: View, seed: int
) -> tuple[Floats, tuple[str, ...]]:
    """The joint features of every row; among ANSWERS a random part of each merge's conflicts is taken as known."""
    ends = np.cumsum(repository.sizes)
    rows = [part[:-1] for part in np.split(first, ends[:-1])]
    truth = [part[:-1] for part in np.split(repository.right, ends[:-1])]
    draw = random.Random(f"{seed} {repository.name}")
    found: dict[int, Floats] = {}
    for members in _seen_together(repository.file if view is View.FILE else repository.merge):
        share = draw.choice((0.2, 0.5, 0.8)) if view is View.ANSWERS else 0.0
        beliefs = []
        for at in members:
            known = truth[at].any() and draw.random() < share
            answer = truth[at] / truth[at].sum() if known else None
            kinds = repository.kinds[at].astype(np.int64)
            beliefs.append(Prediction(int(repository.file[at]), kinds, rows[at], answer))
        found |= zip(members.tolist(), neighbour_features(beliefs), strict=True)
    return np.concatenate([found[at] for at in range(len(repository))]), NEIGHBOUR_FEATURES


def _seen_together(group: NDArray[Any]) -> list[NDArray[np.int64]]:
    """The conflicts of each group, in order."""
    order = np.argsort(group, kind="stable")
    return list(np.split(order, np.flatnonzero(np.diff(group[order])) + 1))


def network_table(
    repository: Repository, logits: Sequence[tuple[NDArray[Any], NDArray[Any]]]
) -> tuple[Floats, tuple[str, ...]]:
    """What the classifier says of every row, from the class logits and the pattern logits at the heads of each conflict."""
    arrays = repository.arrays
    classes = np.stack([log_softmax(one) for one, _ in logits])
    hunks = np.concatenate([rows for _, rows in logits]) if logits else np.zeros((0, 9))
    options = repository.sizes - 1
    origin_option = np.repeat(np.arange(options.sum()), arrays["origins"])
    option_conflict = np.repeat(np.arange(len(repository)), options)
    conflict = option_conflict[origin_option]
    beliefs = classes[conflict, arrays["origin_class"]].astype(np.float64)
    sizes = arrays["origin_patterns_sizes"]
    first_hunk = np.concatenate([[0], np.cumsum(arrays["heads_sizes"])[:-1]])
    entry_origin = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(len(entry_origin)) - np.repeat(np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
    values = (
        hunks[first_hunk[conflict[entry_origin]] + place, arrays["origin_patterns"]]
        if len(entry_origin)
        else np.zeros(0)
    )
    beliefs += np.bincount(entry_origin, weights=values, minlength=len(sizes))
    beliefs[repeated(origin_option, arrays["origin_class"])] = -np.inf
    logs = np.logaddexp.reduceat(beliefs, np.concatenate([[0], np.cumsum(arrays["origins"])[:-1]]))
    return classifier_features(logs, options), CLASSIFIER_FEATURES


def normalised(rows: Floats, heads: NDArray[Any]) -> Floats:
    """Means of log probabilities as log probabilities again, as the classifier of a bundle gives them; the prior as it is."""
    sums = np.log(np.exp(rows).sum(axis=-1, keepdims=True))
    return np.asarray(np.where((heads >= 0)[:, None], rows - sums, rows), np.float32)
