"""Files and merges as wholes: in how many nothing is left to do, and how many of these are as people committed them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mergebert.text.equivalence import LEVELS, Level
from mergebert.tiers import Tier
from mergebert.training.evaluation.metrics import (
    RESAMPLES,
    Figure,
    Floats,
    draws_of_repositories,
    figure_of,
    numbers_of,
    ratio,
)

TIERS = tuple(Tier)  # the surest first


@dataclass(frozen=True, slots=True)
class WholeOutcome:
    """What a tool made of one conflicted file, or of all files of one merge.

    `tier` is that of its least sure conflict. `level` is the strictest level at which it is what people committed once the
    best resolution of every conflict is in place; None where it is at none, or a conflict has no resolution.
    """

    repository: str
    merge: str
    tier: Tier
    level: Level | None
    is_cleaned: bool = True

    def is_right(self, level: Level) -> bool:
        """Whether it is what people committed, at a level of sameness."""
        return self.level is not None and self.level.implies(level)


@dataclass(frozen=True, slots=True)
class FileOutcome(WholeOutcome):
    """The outcome of a file; `conflicted_files` counts all those of its merge."""

    conflicted_files: int = 1


def merges_of(files: Iterable[FileOutcome]) -> list[WholeOutcome]:
    """The outcomes of whole merges; of one that has files which were not measured the rest is left to do, and wrong."""
    merges: dict[tuple[str, str], list[FileOutcome]] = defaultdict(list)
    for one in files:
        merges[one.repository, one.merge].append(one)
    return [_merge(group) for group in merges.values()]


def whole_figures(
    outcomes: Sequence[WholeOutcome],
    seed: int = 0,
    level: Level = Level.CODE,
    resamples: int = RESAMPLES,
) -> dict[str, Figure]:
    """Every figure by name with its 95 % interval, by drawing repositories: the share that is right with the best
    resolutions in place; the share with nothing left to do once all is applied, or drafts are put in too, and of
    these the share that is right."""
    if not outcomes:
        return {}
    repository = numbers_of([(one.repository,) for one in outcomes])
    count = int(repository.max()) + 1
    right = np.array([one.is_right(level) for one in outcomes])
    rank = np.array([TIERS.index(one.tier) for one in outcomes])
    applied, drafted = rank <= TIERS.index(Tier.APPLIED), rank <= TIERS.index(Tier.DRAFT)
    everything = np.ones(len(outcomes), bool)
    shares = {
        "best": (right, everything),
        "applied": (applied, everything),
        "applied, right": (applied & right, applied),
        "with drafts": (drafted, everything),
        "with drafts, right": (drafted & right, drafted),
    }
    draws = draws_of_repositories(count, seed, resamples)

    def figure(part: Floats, whole: Floats) -> Figure:
        parts, wholes = (np.bincount(repository, values, count) for values in (part, whole))
        value = ratio(parts.sum(keepdims=True), wholes.sum(keepdims=True))
        return figure_of(float(value[0]), ratio(draws @ parts, draws @ wholes))

    return {name: figure(part.astype(float), whole.astype(float)) for name, (part, whole) in shares.items()}


def _merge(files: Sequence[FileOutcome]) -> WholeOutcome:
    first = files[0]
    whole = WholeOutcome(first.repository, first.merge, Tier.APPLIED, LEVELS[0], first.is_cleaned)
    if len(files) < first.conflicted_files:
        return replace(whole, tier=Tier.SUGGESTED, level=None)
    levels = [one.level for one in files]
    loosest = None if None in levels else max((one for one in levels if one), key=LEVELS.index)
    return replace(
        whole,
        tier=max((one.tier for one in files), key=TIERS.index),
        level=loosest,
        is_cleaned=all(one.is_cleaned for one in files),
    )
