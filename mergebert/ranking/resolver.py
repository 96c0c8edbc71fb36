"""The cascade: a first pass ranks every conflict of a merge alone, a second one with what the first says of its
neighbours; what is sure enough is accepted, the rest stays an ordinary git conflict.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mergebert.ranking.acceptance import checked, keeping_turned_space
from mergebert.ranking.bundle import FIRST, MODEL, RANKER, TOKENIZER, Bundle, load_bundle
from mergebert.ranking.classes import fullest
from mergebert.ranking.classifier import (
    CLASSIFIER_FEATURES,
    Classifier,
    OnnxClassifier,
    candidate_logs,
    classifier_features,
)
from mergebert.ranking.columns import Subwords
from mergebert.ranking.evidence import ConflictKey, FileEvidence, FileMerge
from mergebert.ranking.model_input import ModelInput, model_inputs
from mergebert.ranking.neighbours import (
    NEIGHBOUR_FEATURES,
    Prediction,
    chosen_distribution,
    kind_of,
    neighbour_features,
)
from mergebert.ranking.ranker import Ranker
from mergebert.ranking.resolution import RankedConflict, Resolution
from mergebert.ranking.subwords import SubwordTokenizer
from mergebert.text.languages import Language
from mergebert.text.syntax import error_count
from mergebert.tiers import USUAL_BUDGETS, ErrorBudgets, Thresholds

Answers = Mapping[ConflictKey, str]


@dataclass(frozen=True, slots=True)
class ScoredConflict:
    """One conflict and the scores of its candidates that do not depend on the other conflicts of the merge."""

    model_input: ModelInput
    kinds: NDArray[np.int64]  # of each option, an index in neighbours.KINDS
    first: NDArray[np.float64]  # the first pass's probability of each option
    classifier: NDArray[np.float32]  # CLASSIFIER_FEATURES of each option and none; NaN with no network


class Resolver:
    """Ranks the resolutions of conflicts with the models of one bundle."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        self.bundle = bundle
        names = bundle.manifest.features
        self.first = Ranker(bundle.file(FIRST), names.first)
        self.ranker = Ranker(bundle.file(RANKER), names.ranker)
        self._thresholds = cache(bundle.manifest.calibration.risk.within)  # the same at every ranking
        self.classifier: Classifier | None = None
        self.subwords: Subwords = _no_subwords
        if bundle.has_classifier:
            self.classifier = OnnxClassifier(bundle.file(MODEL), threads)
            self.subwords = SubwordTokenizer(bundle.file(TOKENIZER))

    @classmethod
    def load(cls, bundle: Path | None = None, threads: int = 1) -> Resolver:
        """The resolver of the bundle at this path, or of the shipped one; raises ModelBundleError."""
        return cls(load_bundle(bundle), threads)

    def rank(
        self,
        files: Sequence[FileMerge],
        budgets: ErrorBudgets = USUAL_BUDGETS,
        answers: Answers | None = None,
        wanted: Container[ConflictKey] | None = None,
    ) -> list[list[RankedConflict]]:
        """For each file of one merge its conflicts in order, each with ranked resolutions.

        `answers` maps (file index, conflict index) to the text a person chose: evidence for the rest of the merge.
        Where only some conflicts are `wanted` the others have no resolutions, and whether the file still
        parses is not checked.
        """
        evidences = [FileEvidence(file) for file in files]
        scored = self.scored_files(evidences)
        keys = [(file, index) for file, ones in enumerate(scored) for index in range(len(ones))]
        everything = [one for ones in scored for one in ones]
        asked = [at for at, key in enumerate(keys) if wanted is None or key in wanted]
        probabilities = self._probabilities(everything, _predictions(everything, keys, answers or {}), asked)
        resolutions = dict(zip(asked, probabilities, strict=True))
        thresholds = self._thresholds(budgets)
        ranked = iter(
            self._ranked(one.model_input, resolutions.get(at), thresholds)
            for at, one in enumerate(everything)
        )
        grouped = [[next(ranked) for _ in ones] for ones in scored]
        return [
            self._still_accepted(evidence, conflicts, is_whole=wanted is None)
            for evidence, conflicts in zip(evidences, grouped, strict=True)
        ]

    def scored_files(self, evidences: Sequence[FileEvidence]) -> list[list[ScoredConflict]]:
        """Every conflict of every file with its own scores: nearly all of the time that ranking takes."""
        grouped = [model_inputs(evidence, self.subwords) for evidence in evidences]
        found = iter(self.scored([one for ones in grouped for one in ones]))
        return [[next(found) for _ in ones] for ones in grouped]

    def scored(self, conflicts: Sequence[ModelInput]) -> list[ScoredConflict]:
        """Conflicts with the scores of the first pass and of the classifier."""
        rows = self.first.rows([row for one in conflicts for row in one.features])
        first = self.first.probabilities(rows, [len(one.features) for one in conflicts])
        classified = self.classifier_features(conflicts)
        return [
            ScoredConflict(one, np.array([kind_of(option) for option in one.options]), found[:-1], classifier)
            for one, found, classifier in zip(conflicts, first, classified, strict=True)
        ]

    def errors_in(self, text: str, language: Language) -> int | None:
        """The number of syntax errors in a whole file; None if unknown."""
        return error_count(text, language)

    def _still_accepted(
        self, evidence: FileEvidence, conflicts: list[RankedConflict], is_whole: bool
    ) -> list[RankedConflict]:
        """The conflicts as they stay accepted: none in a language in which the error of the bundle was not measured."""
        if evidence.language.name not in self.bundle.manifest.languages:
            return [one.refused() for one in conflicts]
        kept = keeping_turned_space(conflicts)
        return checked(evidence, kept, self.errors_in) if is_whole else kept

    def _probabilities(
        self, conflicts: Sequence[ScoredConflict], predictions: Sequence[Prediction], asked: Sequence[int]
    ) -> list[NDArray[np.float64]]:
        """For each conflict asked about the probability of each option; what is missing to one is "none of these"."""
        if not asked:
            return []
        ones = [conflicts[at] for at in asked]
        rows = self.ranker.rows(
            [row for one in ones for row in one.model_input.features],
            (NEIGHBOUR_FEATURES, np.concatenate(neighbour_features(predictions, asked))),
            (CLASSIFIER_FEATURES, np.concatenate([one.classifier for one in ones])),
        )
        sizes = [len(one.model_input.features) for one in ones]
        return [found[:-1] for found in self.ranker.probabilities(rows, sizes)]

    def classifier_features(self, conflicts: Sequence[ModelInput]) -> list[NDArray[np.float32]]:
        """The classifier features of each option of each conflict and of "none of these"; NaN without a classifier."""
        if self.classifier is None:
            shapes = [(len(one.features), len(CLASSIFIER_FEATURES)) for one in conflicts]
            return [np.full(shape, np.nan, np.float32) for shape in shapes]
        scores = self.classifier.scores([one.columns for one in conflicts])
        return [
            classifier_features(candidate_logs(score, one.options), [len(one.options)])
            for score, one in zip(scores, conflicts, strict=True)
        ]

    def _ranked(
        self, one: ModelInput, probabilities: NDArray[np.float64] | None, thresholds: Thresholds
    ) -> RankedConflict:
        if probabilities is None:
            return RankedConflict(one.conflict, ())
        classes = np.array(one.classes)
        totals = np.bincount(classes, probabilities).astype(np.float64)
        order = np.argsort(-totals, kind="stable")
        confidences = _confidences(totals[order], self.bundle.manifest.calibration.best)
        resolutions = tuple(
            _resolution(one, np.flatnonzero(classes == number), probabilities, float(confidence))
            for number, confidence in zip(order, confidences, strict=True)
        )
        return RankedConflict(one.conflict, resolutions, thresholds.tier(float(confidences[0])))


def _resolution(
    one: ModelInput, members: NDArray[np.int64], probabilities: NDArray[np.float64], confidence: float
) -> Resolution:
    """The options of one class as one resolution: the one that loses least of what people wrote, then the likeliest."""
    ordered = members[np.argsort(-probabilities[members], kind="stable")]
    options = [one.options[at] for at in ordered]
    taken = fullest([option.text for option in options], one.conflict.sides, one.passage)
    found = [Resolution(option.text, option.pattern, option.method, confidence) for option in options]
    first = found.pop(taken)
    return replace(first, variants=tuple(found))


def _confidences(totals: NDArray[np.float64], best: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """The calibrated probability of each class, best first: that of the best by its curve, and the others share what it
    leaves, with "none of these", as they did before; together at most one."""
    known, values = zip(*best, strict=True)
    first = float(np.interp(totals[0], known, values))
    left = (1.0 - first) / max(1.0 - float(totals[0]), 1e-12)
    return np.append(first, np.minimum(totals[1:] * left, first))


def _predictions(
    conflicts: Sequence[ScoredConflict], keys: Sequence[ConflictKey], answers: Answers
) -> list[Prediction]:
    found = []
    for one, key in zip(conflicts, keys, strict=True):
        text = answers.get(key)
        answer = None if text is None else chosen_distribution(one.model_input.options, text)
        found.append(Prediction(key[0], one.kinds, one.first, answer))
    return found


def _no_subwords(token: str) -> Sequence[int]:
    return ()
