"""Calibration: how often the ranker is right at each probability, and the error of acting, on development repositories."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from mergebert.ranking.risk import Risk
from mergebert.training.ranker.ranked_conflicts import RankedConflicts

Curve = list[tuple[float, float]]

POINTS = 60  # of a stored curve; straight lines between them
LEAST_ACTED_ON = 60  # conflicts behind a threshold; fewer say too little about the error they risk


def best_curve(ranked: RankedConflicts) -> Curve:
    """From the probability of the best class to how often it is right."""
    return _isotonic(ranked.best, ranked.is_right)


def measured_risk(ranked: RankedConflicts, best: Curve) -> Risk:
    """How many conflicts of each repository reach each calibrated probability, and how many of these are wrong."""
    scores, values = zip(*best, strict=True)
    confidence = np.interp(ranked.best, scores, values)
    order = np.argsort(-confidence, kind="stable")
    names, repository = np.unique(np.array(ranked.repositories)[order], return_inverse=True)
    ends = _ends(confidence[order])
    here = repository[:, None] == np.arange(len(names))
    conflicts = np.cumsum(here, axis=0)[ends]
    wrong = np.cumsum(here & ~ranked.is_right[order][:, None], axis=0)[ends]
    return Risk(
        tuple(confidence[order][ends].tolist()),
        tuple(map(tuple, conflicts.tolist())),
        tuple(map(tuple, wrong.tolist())),
        LEAST_ACTED_ON * _scopes(ranked),
    )


def _scopes(ranked: RankedConflicts) -> int:
    """How often each conflict was ranked: one seen in two scopes says no more than in one."""
    seen = Counter(zip(ranked.repositories, ranked.numbers, strict=True))
    return max(seen.values(), default=1)


def _ends(confidence: NDArray[np.float64]) -> NDArray[np.intp]:
    """The last places of up to a few hundred runs of the most confident, none that parts equal confidences."""
    ends = np.append(np.flatnonzero(np.diff(confidence)), len(confidence) - 1)
    if len(ends) <= 4 * POINTS:
        return ends
    # Closer together where little is applied: that is where error budgets are met.
    places = np.unique((np.linspace(0, 1, 4 * POINTS) ** 2 * (len(ends) - 1)).astype(int))
    return ends[places]


def _isotonic(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> Curve:
    fitted = IsotonicRegression(y_min=0.001, y_max=0.999, out_of_bounds="clip").fit(
        scores, right.astype(float)
    )
    places = np.unique(np.concatenate([[0.0], np.quantile(scores, np.linspace(0, 1, POINTS)), [1.0]]))
    # A hair of slope keeps different scores apart, so that ranking by confidence is ranking by score.
    values = fitted.predict(places) + 1e-6 * places
    return [(float(place), float(min(value, 0.9995))) for place, value in zip(places, values, strict=True)]
