"""The cascade: describe every conflict of a merge, believe, look at the neighbours, believe again, and apply what is
sure enough; the rest stays an ordinary git conflict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mergebert.bundle import FIRST, MODEL, RANKER, TOKENIZER, Bundle, load_bundle
from mergebert.classify import Classifier, OnnxClassifier, classifier_features
from mergebert.describe import Described, described
from mergebert.encode import Pieces
from mergebert.evidence import FileEvidence, FileMerge
from mergebert.features import Values
from mergebert.joint import Belief, answer_of, joint_features, kind_of
from mergebert.markers import Conflict, MergedFile, render, resolved
from mergebert.pieces import TokenPieces
from mergebert.ranker import Ranker
from mergebert.syntax import error_count

__all__ = ["FileMerge", "RankedConflict", "Resolution", "Resolver", "accepted_file"]

Answers = Mapping[tuple[int, int], str]


@dataclass(frozen=True, slots=True)
class Resolution:
    """A text for a conflict, how it was made, and the calibrated probability that it is what a person would commit."""

    text: str
    pattern: str
    method: str
    confidence: float


@dataclass(frozen=True, slots=True)
class RankedConflict:
    """A conflict with its resolutions, best first, and whether the best one is sure enough to apply."""

    conflict: Conflict
    resolutions: tuple[Resolution, ...]
    accepted: bool

    def refused(self) -> RankedConflict:
        """The same conflict, left to a person."""
        return RankedConflict(self.conflict, self.resolutions, accepted=False)


class Resolver:
    """Ranks the resolutions of conflicts with the models of one bundle."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        self.bundle = bundle
        names = bundle.manifest["features"]
        self.first = Ranker(bundle.file(FIRST), names["first"])
        self.ranker = Ranker(bundle.file(RANKER), names["ranker"])
        self.classifier: Classifier | None = None
        self.pieces: Pieces = _no_pieces
        if bundle.has_classifier:
            self.classifier = OnnxClassifier(bundle.file(MODEL), threads)
            self.pieces = TokenPieces(bundle.file(TOKENIZER))

    @classmethod
    def load(cls, bundle: Path | None = None, threads: int = 1) -> Resolver:
        """The resolver of the bundle at this path, or of the shipped one; raises ModelBundleError."""
        return cls(load_bundle(bundle), threads)

    def rank(
        self, files: Sequence[FileMerge], max_error: float = 0.05, answers: Answers | None = None
    ) -> list[list[RankedConflict]]:
        """For each file of one merge its conflicts in order, each with ranked resolutions.

        `answers` maps (file index, conflict index) to the text a person chose; they teach the rest of the merge.
        """
        evidences = [FileEvidence(file) for file in files]
        known = [described(evidence, self.pieces) for evidence in evidences]
        places = [(file, index) for file, ones in enumerate(known) for index in range(len(ones))]
        everything = [one for ones in known for one in ones]
        probabilities = self._probabilities(everything, places, answers or {})
        ranked = iter(
            self._ranked(one, row, max_error) for one, row in zip(everything, probabilities, strict=True)
        )
        grouped = [[next(ranked) for _ in ones] for ones in known]
        return [
            checked(evidence, conflicts)
            if self._vouches_for(evidence)
            else [one.refused() for one in conflicts]
            for evidence, conflicts in zip(evidences, grouped, strict=True)
        ]

    def _vouches_for(self, evidence: FileEvidence) -> bool:
        """Whether the bundle was measured on the language of this file: only there is its error known."""
        return evidence.language.name in self.bundle.manifest["languages"]

    def _probabilities(
        self, conflicts: Sequence[Described], places: Sequence[tuple[int, int]], answers: Answers
    ) -> list[NDArray[np.float64]]:
        """For each conflict the ranker's probability of each option; what is missing to one is "none of these"."""
        if not conflicts:
            return []
        beliefs = self._beliefs(conflicts, places, answers)
        neighbours = joint_features(beliefs)
        voices = self._voices(conflicts)
        rows = [_rows(*parts) for parts in zip(conflicts, neighbours, voices, strict=True)]
        return [found[:-1] for found in self.ranker.probabilities(rows)]

    def _beliefs(
        self, conflicts: Sequence[Described], places: Sequence[tuple[int, int]], answers: Answers
    ) -> list[Belief]:
        first = self.first.probabilities([one.features for one in conflicts])
        beliefs = []
        for one, place, row in zip(conflicts, places, first, strict=True):
            text = answers.get(place)
            answer = None if text is None else answer_of(one.options, text)
            kinds = np.array([kind_of(option) for option in one.options])
            beliefs.append(Belief(place[0], kinds, row[:-1], answer))
        return beliefs

    def _voices(self, conflicts: Sequence[Described]) -> list[list[Values]]:
        """What the classifier says of each option; nothing where there is no classifier."""
        if self.classifier is None:
            return [[{} for _ in one.options] for one in conflicts]
        scores = self.classifier.scores([one.columns for one in conflicts])
        return [classifier_features(score, one.options) for score, one in zip(scores, conflicts, strict=True)]

    def _ranked(self, one: Described, probabilities: NDArray[np.float64], max_error: float) -> RankedConflict:
        calibration = self.bundle.calibration
        order = np.argsort(-probabilities, kind="stable")
        best = _calibrated(float(probabilities[order[0]]), calibration.best)
        resolutions = []
        for rank, at in enumerate(order):
            option = one.options[at]
            confidence = (
                best if not rank else min(best, _calibrated(float(probabilities[at]), calibration.other))
            )
            resolutions.append(Resolution(option.text, option.pattern, option.method, confidence))
        return RankedConflict(one.conflict, tuple(resolutions), best >= calibration.threshold(max_error))


def accepted_file(file: FileMerge, ranked: Sequence[RankedConflict]) -> MergedFile:
    """The file with every accepted resolution in place; the other conflicts as they were."""
    return resolved(
        file.merged, {at: one.resolutions[0].text for at, one in enumerate(ranked) if one.accepted}
    )


def checked(evidence: FileEvidence, ranked: list[RankedConflict]) -> list[RankedConflict]:
    """`ranked` with acceptances taken back, the less sure half at a time, until the file parses no worse than its better side."""
    accepted = [at for at, one in enumerate(ranked) if one.accepted]
    limit = _side_errors(evidence) if accepted else None
    if limit is None:
        return ranked
    accepted.sort(key=lambda at: -ranked[at].resolutions[0].confidence)
    while accepted and _errors(evidence, ranked) > limit:
        kept = accepted[: len(accepted) // 2]
        ranked = [one if at in kept else one.refused() for at, one in enumerate(ranked)]
        accepted = kept
    return ranked


def _side_errors(evidence: FileEvidence) -> int | None:
    """The syntax errors of the better of the two sides; None where the language has no grammar."""
    merged = evidence.file.merged
    counts = []
    for side in ("ours", "theirs"):
        texts = {at: getattr(one.sides, side) for at, one in enumerate(evidence.conflicts)}
        counts.append(error_count(render(resolved(merged, texts)), evidence.language))
    known = [count for count in counts if count is not None]
    return min(known) if len(known) == 2 else None


def _errors(evidence: FileEvidence, ranked: Sequence[RankedConflict]) -> float:
    """The syntax errors with what is accepted in place and ours everywhere else; endless where nobody can tell."""
    texts = {
        at: one.resolutions[0].text if one.accepted else one.conflict.sides.ours
        for at, one in enumerate(ranked)
    }
    found = error_count(render(resolved(evidence.file.merged, texts)), evidence.language)
    return inf if found is None else found


def _rows(one: Described, neighbours: Sequence[Values], voices: Sequence[Values]) -> list[Values]:
    """The ranker's rows: one an option with all that is known of it, and the last for "none of these"."""
    rows = [own | near | voice for own, near, voice in zip(one.features, neighbours, voices, strict=False)]
    shared = neighbours[0] if neighbours else {}
    return [
        *rows,
        one.features[-1] | {name: value for name, value in shared.items() if name in SHARED_BY_ALL},
    ]


SHARED_BY_ALL = frozenset(("others_in_file", "others_in_merge", "answers_known", "first entropy"))


def _calibrated(score: float, points: Sequence[tuple[float, float]]) -> float:
    scores, values = zip(*points, strict=True)
    return float(np.interp(score, scores, values))


def _no_pieces(token: str) -> Sequence[int]:
    return ()
