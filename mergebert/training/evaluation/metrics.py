"""The figures of a tool that ranks resolutions of conflicts: pure metrics over outcomes, whatever made them.

Every located conflict is in the denominator, one whose resolution nobody could have proposed included.
Repositories differ more than conflicts do, so the intervals come from drawing whole repositories again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from mergebert.text.equivalence import Level
from mergebert.tiers import Tier

CONFLICTS_A_MERGE = 10  # a few merges hold thousands of alike conflicts
BINS = 15  # of equal mass, for the calibration error
RESAMPLES = 1000
LEAST_REPOSITORIES = 3  # an interval over fewer says nothing
INTERVAL = (2.5, 97.5)
PRECISIONS = (0.80, 0.90, 0.95, 0.97, 0.99)
SUMMARY = ("accuracy@1", "accuracy@3", "ceiling", "coverage at 90%", "coverage at 95%")
TOP = (0.02, 0.05, 0.1)  # shares of the conflicts, the most confident first
SIX_LANGUAGES = ("java", "javascript", "typescript", "csharp", "python", "go")
SIX, ALL = "six languages", "all languages"

_CHUNK = 4_000_000  # numbers held at once while intervals are drawn

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tool made of one located conflict.

    `levels` tell by rank the strictest level at which each of its resolutions is what people committed, None where it is not;
    empty where it gave none. `confidence` is that of the best. `is_cleaned`: nobody threw the merge away, and nobody
    resolved it otherwise elsewhere.
    `parses`: with the best one in place the file has no more syntax errors than with the better side there.
    `intact`: with all that was applied in the file it has no more than with the better side everywhere.
    None means that it is unknown, or that nothing was applied.
    """

    repository: str
    merge: str
    language: str
    levels: tuple[Level | None, ...]
    confidence: float = 1.0
    tier: Tier = Tier.SUGGESTED
    parses: bool | None = None
    intact: bool | None = None
    is_cleaned: bool = True

    @property
    def is_answered(self) -> bool:
        """Whether the tool gave a resolution at all."""
        return bool(self.levels)

    def right(self, level: Level = Level.CODE) -> tuple[bool, ...]:
        """By rank which resolutions are what people committed, at a level of sameness."""
        return tuple(found is not None and found.implies(level) for found in self.levels)


@dataclass(frozen=True, slots=True)
class View:
    """How outcomes are counted: at which level of sameness, and whether each merge or each conflict has one vote."""

    level: Level = Level.CODE
    is_by_merge: bool = False


STANDARD = View()


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value and its 95 % interval; None where nothing was measured, or too few repositories."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class ConflictId:
    """Which conflict of which merge: what a draw of conflicts may depend on."""

    repository: str
    merge: str
    path: str
    index: int


def sampled_conflicts(
    conflicts: Iterable[ConflictId], most: int = CONFLICTS_A_MERGE, seed: int = 0
) -> frozenset[ConflictId]:
    """At most `most` conflicts of each merge, drawn by chance: the same for a seed, whoever resolves them."""
    merges: dict[tuple[str, str], set[ConflictId]] = defaultdict(set)
    for one in conflicts:
        merges[one.repository, one.merge].add(one)
    drawn = (sorted(group, key=lambda one: _draw_order(one, seed))[:most] for group in merges.values())
    return frozenset(one for group in drawn for one in group)


def by_language(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes of the six languages, of all, and of each one, the six first."""
    groups: dict[str, list[Outcome]] = {SIX: [one for one in outcomes if one.language in SIX_LANGUAGES]}
    groups[ALL] = list(outcomes)
    others = sorted({one.language for one in outcomes} - set(SIX_LANGUAGES))
    for name in (*SIX_LANGUAGES, *others):
        groups[name] = [one for one in outcomes if one.language == name]
    return {name: group for name, group in groups.items() if group}


def cleaned(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The outcomes of conflicts whose labels are cleaned."""
    return [one for one in outcomes if one.is_cleaned]


def figures(
    outcomes: Sequence[Outcome], seed: int = 0, resamples: int = RESAMPLES, view: View = STANDARD
) -> dict[str, Figure]:
    """Every figure by name, each with its interval but the calibration error."""
    if not outcomes:
        return {}
    sample = _Sample(outcomes, view)
    values = sample.values(np.ones((1, sample.repositories)))
    draws = sample.values(draws_of_repositories(sample.repositories, seed, resamples))
    found = {name: figure_of(float(values[name][0]), draws[name]) for name in values}
    # Resampling widens the gap inside every bin, so an interval of it would lie above the value.
    found["calibration error"] = Figure(_finite(calibration_error(outcomes)))
    return found


def summary(outcomes: Sequence[Outcome]) -> dict[str, float | None]:
    """The figures of a ranker on the repositories it is tuned on, to four digits and without intervals."""
    found = figures(outcomes, resamples=0)
    values = {name: found[name].value if outcomes else None for name in SUMMARY}
    values |= {f"precision of the top {share:.0%}": _top_precision(outcomes, share) for share in TOP}
    rounded = {name: None if value is None else round(value, 4) for name, value in values.items()}
    return {"conflicts": len(outcomes), **rounded}


def _top_precision(outcomes: Sequence[Outcome], share: float) -> float | None:
    """The share that is right of the most confident ones."""
    order = sorted(outcomes, key=lambda one: -one.confidence)[: max(1, round(share * len(outcomes)))]
    return sum(one.right()[0] for one in order) / len(order) if order else None


def differences(
    outcomes: Sequence[Outcome], others: Sequence[Outcome], seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Figure]:
    """Every figure of `outcomes` less that of `others`, over the same conflicts in the same order."""
    ours, theirs = _Sample(outcomes), _Sample(others)
    if [_merge_and_language(one) for one in outcomes] != [_merge_and_language(one) for one in others]:
        raise ValueError("the outcomes of two tools can be compared over the same conflicts only")
    if not outcomes:
        return {}
    one, draws = np.ones((1, ours.repositories)), draws_of_repositories(ours.repositories, seed, resamples)
    values, other_values = ours.values(one), theirs.values(one)
    drawn, other_drawn = ours.values(draws), theirs.values(draws)
    return {
        name: figure_of(float((values[name] - other_values[name])[0]), drawn[name] - other_drawn[name])
        for name in values
    }


def calibration_error(outcomes: Sequence[Outcome]) -> float:
    """The mean gap between confidence and accuracy of the best resolutions, by bins; NaN without any."""
    bins = reliability(outcomes)
    total = sum(one.count for one in bins)
    gaps = sum(one.count * abs(one.confidence - one.accuracy) for one in bins)
    return gaps / total if total else float("nan")


@dataclass(frozen=True, slots=True)
class Bin:
    """The mean confidence and the accuracy of the conflicts of like confidence."""

    confidence: float
    accuracy: float
    count: int


def reliability(outcomes: Sequence[Outcome], bins: int = BINS) -> list[Bin]:
    """Bins of about equal mass, least confident first; equal confidences always share one."""
    answered = [one for one in outcomes if one.is_answered]
    if not answered:
        return []
    confidence = np.array([one.confidence for one in answered])
    right = np.array([one.right()[0] for one in answered], float)
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1], method="lower"))
    of = np.searchsorted(edges, confidence, side="left")
    count, sums, hits = (np.bincount(of, weights) for weights in (None, confidence, right))
    return [
        Bin(float(sums[at] / count[at]), float(hits[at] / count[at]), int(count[at]))
        for at in np.flatnonzero(count)
    ]


def risk_coverage(outcomes: Sequence[Outcome]) -> tuple[Floats, Floats]:
    """(coverage, error) of applying the most confident resolutions, one pair for every threshold there is."""
    sample = _Sample(outcomes)
    counts, hits = (part[0] for part in sample.cumulated(np.ones((1, sample.repositories))))
    return counts / max(1, len(outcomes)), 1 - hits / np.maximum(counts, 1)


class _Sample:
    """Outcomes as arrays, every figure a function of how often each repository is drawn."""

    def __init__(self, outcomes: Sequence[Outcome], view: View = STANDARD) -> None:
        self.outcomes = outcomes
        self.right = [one.right(view.level) for one in outcomes]
        self.votes = self._share_of_merge if view.is_by_merge else np.ones(len(outcomes))
        self.repository = numbers_of([(one.repository,) for one in outcomes])  # [conflicts]
        self.repositories = int(self.repository.max(initial=-1)) + 1

    def values(self, weights: Floats) -> dict[str, Floats]:
        """Each figure [draws] of `weights` [draws, repositories]."""
        found = {}
        for name, (part, whole) in self._shares.items():
            found[name] = ratio(weights @ self._by_repository(part), weights @ self._by_repository(whole))
        return found | self._coverages(weights)

    def cumulated(self, weights: Floats) -> tuple[Floats, Floats]:
        """How many are applied, and how many right, [draws, thresholds], strictest threshold first."""
        order, ends = self._thresholds
        drawn = weights[:, self.repository[order]] * self.votes[order]
        hits = drawn * self._first[order]
        return np.cumsum(drawn, axis=1)[:, ends], np.cumsum(hits, axis=1)[:, ends]

    @cached_property
    def _shares(self) -> Mapping[str, tuple[Floats, Floats]]:
        """What is counted, and out of what, for every figure that is a share."""
        votes = self.votes
        applied, drafts = (
            votes * _flags([one.tier is tier for one in self.outcomes]) for tier in (Tier.APPLIED, Tier.DRAFT)
        )
        answered = _flags([one.is_answered for one in self.outcomes])
        return {
            "accuracy@1": (votes * self._hits(1), votes),
            "accuracy@3": (votes * self._hits(3), votes),
            "ceiling": (votes * self._hits(None), votes),
            "answered": (votes * answered, votes),
            "coverage": (applied, votes),
            "precision": (applied * self._hits(1), applied),
            "drafts": (drafts, votes),
            "draft precision": (drafts * self._hits(1), drafts),
            "parses": self._verdicts("parses"),
            "intact": self._verdicts("intact"),
        }

    def _coverages(self, weights: Floats) -> dict[str, Floats]:
        """The largest share that can be applied, most confident first, at each precision."""
        rows = max(1, _CHUNK // max(1, len(self.outcomes)))
        chunks = [
            self._coverage(weights[start : start + rows]) for start in range(0, max(1, len(weights)), rows)
        ]
        found = np.concatenate(chunks)  # [draws, precisions]
        return {f"coverage at {wanted:.0%}": found[:, at] for at, wanted in enumerate(PRECISIONS)}

    def _coverage(self, weights: Floats) -> Floats:
        counts, hits = self.cumulated(weights)
        total = weights @ self._by_repository(self.votes)
        columns = []
        for precision in PRECISIONS:
            # A hair of room, for sums of floats that should be equal.
            enough = (hits >= precision * counts - 1e-9) & (counts > 0)
            most = np.where(enough, counts, 0.0).max(axis=1, initial=0.0)
            columns.append(np.divide(most, total, out=np.zeros_like(most), where=total > 0))
        return np.stack(columns, axis=1)

    @cached_property
    def _thresholds(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The answered conflicts, most confident first, and the last of each run of equal confidence."""
        answered = np.flatnonzero(_flags([one.is_answered for one in self.outcomes]))
        confidence = np.array([self.outcomes[int(at)].confidence for at in answered])
        order = np.argsort(-confidence, kind="stable")
        is_last = np.append(np.diff(confidence[order]) != 0, True)[: len(order)]
        return answered[order], np.flatnonzero(is_last)

    @cached_property
    def _first(self) -> Floats:
        return self._hits(1)

    @cached_property
    def _share_of_merge(self) -> Floats:
        merges = numbers_of([(one.repository, one.merge) for one in self.outcomes])
        return 1 / np.bincount(merges)[merges]

    def _hits(self, depth: int | None) -> Floats:
        return _flags([any(right[:depth]) for right in self.right])

    def _verdicts(self, kind: str) -> tuple[Floats, Floats]:
        found = [getattr(one, kind) for one in self.outcomes]
        votes = self.votes
        return votes * _flags([verdict is True for verdict in found]), votes * _flags(
            [verdict is not None for verdict in found]
        )

    def _by_repository(self, values: Floats) -> Floats:
        return np.bincount(self.repository, values, self.repositories).astype(float)


def draws_of_repositories(repositories: int, seed: int, resamples: int) -> Floats:
    """How often each repository is drawn, [resamples, repositories]; no draws over too few of them."""
    if repositories < LEAST_REPOSITORIES:
        return np.zeros((0, repositories))
    shares = np.full(repositories, 1 / repositories)
    return np.random.default_rng(seed).multinomial(repositories, shares, size=resamples).astype(float)


def figure_of(value: float, draws: Floats) -> Figure:
    """A value and the interval of what it was in draws of repositories."""
    usable = draws[np.isfinite(draws)]
    if not np.isfinite(value) or not len(usable):
        return Figure(_finite(value))
    low, high = np.percentile(usable, INTERVAL)
    return Figure(value, float(low), float(high))


def _flags(values: Sequence[bool]) -> Floats:
    return np.array(values, float)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def ratio(part: Floats, whole: Floats) -> Floats:
    """Shares; not a number where the whole is nothing."""
    shares: Floats = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return shares


def numbers_of(names: Sequence[tuple[str, ...]]) -> NDArray[np.intp]:
    """A number for each name in the order of the alphabet, so that the order of outcomes is no matter."""
    number = {name: at for at, name in enumerate(sorted(set(names)))}
    return np.array([number[name] for name in names], np.intp)


def _merge_and_language(outcome: Outcome) -> tuple[str, str, str]:
    return outcome.repository, outcome.merge, outcome.language


def _draw_order(conflict: ConflictId, seed: int) -> bytes:
    text = "\0".join((str(seed), conflict.repository, conflict.merge, conflict.path, str(conflict.index)))
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
