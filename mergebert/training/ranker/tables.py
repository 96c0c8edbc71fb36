"""The features of the two passes for whole prepared repositories, worked out by the functions that the resolver uses.

The first pass sees each conflict alone. Its predictions for the other conflicts of a merge, always of trees that did not
learn from that repository, are features of the second, beside those of the classifier.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mergebert.ranking.candidate_rows import first_rows
from mergebert.ranking.classifier import CLASSIFIER_FEATURES, classifier_features, log_softmax
from mergebert.ranking.neighbours import NEIGHBOUR_FEATURES, Prediction, neighbour_features
from mergebert.training.config import RankerConfig
from mergebert.training.dataset.prepared import EVERY_GRADE, Floats, PreparedRepository, repeated
from mergebert.training.storage import Arrays


class MergeScope(Enum):
    """Which other conflicts of a merge the neighbour features may use."""

    MERGE = "merge"  # all its files, as `solve` has them
    FILE = "file"  # one file, as the merge driver has it
    ANSWERS = "answers"  # all its files, some conflicts resolved by a person


@dataclass(frozen=True, slots=True)
class RepositoryFeatures:
    """The named features of every row of a repository, and which of its conflicts are to be used."""

    repository: PreparedRepository
    features: Floats
    names: tuple[str, ...]
    use: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to learn from: features, which rows are right, and how many rows each conflict has."""

    features: Floats
    right: NDArray[np.bool_]
    sizes: NDArray[np.int32]
    names: tuple[str, ...]


def first_pass(one: PreparedRepository) -> RepositoryFeatures:
    """The features of the first pass."""
    return RepositoryFeatures(one, one.features, tuple(one.names), np.ones(len(one), bool))


def second_pass(
    one: PreparedRepository, first: NDArray[np.float64], scores: Arrays | None, scope: MergeScope, seed: int
) -> RepositoryFeatures:
    """The features of the second pass, from the probabilities of the first and, where there are any, the scores of the
    classifier."""
    parts, names = [one.features, neighbour_table(one, first, scope, seed)], (*one.names, *NEIGHBOUR_FEATURES)
    if scores is not None:
        parts.append(classifier_table(one, scores))
        names += CLASSIFIER_FEATURES
    features = np.concatenate(parts, axis=1)
    # Without an answer in the merge the answered copy of a conflict would only repeat it.
    has_answers = features[first_rows(one.sizes), names.index("answers_known")] > 0
    return RepositoryFeatures(
        one, features, names, has_answers if scope is MergeScope.ANSWERS else np.ones(len(one), bool)
    )


def neighbour_table(
    repository: PreparedRepository, first: NDArray[np.float64], scope: MergeScope, seed: int
) -> Floats:
    """The neighbour features of every row; for ANSWERS a random part of each merge's conflicts counts as resolved."""
    starts = first_rows(repository.sizes)[1:]
    rows = [part[:-1] for part in np.split(first, starts)]
    truth = [part[:-1] for part in np.split(repository.right, starts)]
    draw = random.Random(f"{seed} {repository.name}")
    found: dict[int, Floats] = {}
    for members in _seen_together(repository.file if scope is MergeScope.FILE else repository.merge):
        share = draw.choice((0.2, 0.5, 0.8)) if scope is MergeScope.ANSWERS else 0.0
        predictions = []
        for at in members:
            is_answered = truth[at].any() and draw.random() < share
            answer = truth[at] / truth[at].sum() if is_answered else None
            kinds = repository.kinds[at].astype(np.int64)
            predictions.append(Prediction(int(repository.file[at]), kinds, rows[at], answer))
        found |= zip(members.tolist(), neighbour_features(predictions), strict=True)
    return np.concatenate([found[at] for at in range(len(repository))])


def _seen_together(group: NDArray[Any]) -> list[NDArray[np.int64]]:
    """The conflicts of each group, in order."""
    order = np.argsort(group, kind="stable")
    return list(np.split(order, np.flatnonzero(np.diff(group[order])) + 1))


def classifier_table(repository: PreparedRepository, scores: Arrays) -> Floats:
    """The classifier features of every row, from the class scores of each conflict and the pattern scores of each hunk."""
    arrays, options = repository.arrays, repository.sizes - 1
    classes = np.stack([log_softmax(row) for row in scores["classes"]])
    option = np.repeat(np.arange(options.sum()), arrays["origins"])  # [origins]
    conflict = np.repeat(np.arange(len(repository)), options)[option]  # [origins]
    logs = classes[conflict, arrays["origin_class"]].astype(np.float64)
    sizes = arrays["origin_patterns_sizes"]
    origin = np.repeat(np.arange(len(sizes)), sizes)  # [patterns]
    hunk = (
        first_rows(arrays["heads_sizes"])[conflict[origin]]
        + np.arange(len(origin))
        - first_rows(sizes)[origin]
    )
    patterns = scores["hunks"][hunk, arrays["origin_patterns"]]
    logs += np.bincount(origin, weights=patterns, minlength=len(sizes))
    logs[repeated(option, arrays["origin_class"])] = -np.inf
    return classifier_features(np.logaddexp.reduceat(logs, first_rows(arrays["origins"])), options)


def drawn_conflicts(
    repositories: Iterable[PreparedRepository], config: RankerConfig, seed: int, grades: str = EVERY_GRADE
) -> dict[str, NDArray[np.bool_]]:
    """Which conflicts of each repository the trees learn from; their labels are cleaned."""
    counted = {
        one.name: one.counted(config.hunks_a_merge, seed, grades, is_cleaned=True) for one in repositories
    }
    return dict(zip(counted, _at_most(list(counted.values()), config.hunks, seed), strict=True))


def _at_most(chosen: list[NDArray[np.bool_]], most: int, seed: int) -> list[NDArray[np.bool_]]:
    """The same with at most `most` chosen in all, drawn by chance; 0 leaves all."""
    flat = np.concatenate(chosen)
    places = np.flatnonzero(flat)
    if 0 < most < len(places):
        flat[np.random.default_rng(seed).permutation(places)[most:]] = False
    return np.split(flat, np.cumsum([len(part) for part in chosen])[:-1])


def table(parts: Iterable[RepositoryFeatures], chosen: Mapping[str, NDArray[np.bool_]]) -> Table:
    """The chosen conflicts of some repositories as one table; the features of one repository are in memory at a time."""
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
