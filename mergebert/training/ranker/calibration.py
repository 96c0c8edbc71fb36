"""Calibration: how often the ranker is right at each probability, and the error of applying, on development repositories."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from mergebert.training.ranker.ranked_conflicts import RankedConflicts

Curve = list[tuple[float, float]]

POINTS = 60  # of a stored curve; straight lines between them
LEAST_APPLIED = 60  # conflicts behind a threshold; fewer say too little about the error they risk
NOTHING_APPLIED = (1.0, 0.0, 1.0)  # the risk where too little was measured: no confidence reaches 1
CAUTION = 0.5  # standard errors, over repositories, added to the measured error: repositories differ


def best_curve(ranked: RankedConflicts) -> Curve:
    """From the probability of the best class to how often it is right."""
    return _isotonic(ranked.best, ranked.is_right)


def risk_curve(ranked: RankedConflicts, best: Curve) -> list[tuple[float, float, float]]:
    """(threshold, coverage, error) of applying every best candidate of at least that calibrated probability.

    The error is the measured one, of all that is applied, and CAUTION standard errors between repositories.
    """
    scores, values = zip(*best, strict=True)
    confidence = np.interp(ranked.best, scores, values)
    order = np.argsort(-confidence, kind="stable")
    confidence, wrong = confidence[order], ~ranked.is_right[order]
    _, repository = np.unique(np.array(ranked.repositories)[order], return_inverse=True)
    distinct = _distinct(repository, np.array(ranked.numbers)[order])
    return [
        (
            float(confidence[count - 1]),
            count / len(confidence),
            _cautious_error(wrong[:count], repository[:count]),
        )
        for count in _counts(confidence, distinct)
    ] or [NOTHING_APPLIED]


def _distinct(repository: NDArray[np.int64], number: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many different conflicts stand at each place or before it: one seen in two scopes says no more than in one."""
    fresh = np.zeros(len(number), np.int64)
    fresh[np.unique(np.stack([repository, number]), axis=1, return_index=True)[1]] = 1
    return np.cumsum(fresh)


def _counts(confidence: NDArray[np.float64], distinct: NDArray[np.int64]) -> list[int]:
    """How many of the most confident to look at: a few hundred numbers, none that parts equal confidences."""
    ends = np.append(np.flatnonzero(np.diff(confidence)) + 1, len(confidence))
    enough = ends[distinct[ends - 1] >= LEAST_APPLIED]
    if len(enough) <= 4 * POINTS:
        return [int(end) for end in enough]
    # Closer together where little is applied: that is where error budgets are met.
    places = np.unique((np.linspace(0, 1, 4 * POINTS) ** 2 * (len(enough) - 1)).astype(int))
    return [int(end) for end in enough[places]]


def _cautious_error(wrong: NDArray[np.bool_], repository: NDArray[np.int64]) -> float:
    """The share that is wrong plus CAUTION standard errors of a mean over clusters (a cluster a repository)."""
    mean = (float(wrong.sum()) + 1.0) / (len(wrong) + 2.0)  # none wrong of sixty is not no risk
    residual = np.bincount(repository, weights=wrong - mean)
    return mean + CAUTION * float(np.sqrt((residual**2).sum())) / len(wrong)


def _isotonic(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> Curve:
    fitted = IsotonicRegression(y_min=0.001, y_max=0.999, out_of_bounds="clip").fit(
        scores, right.astype(float)
    )
    places = np.unique(np.concatenate([[0.0], np.quantile(scores, np.linspace(0, 1, POINTS)), [1.0]]))
    # A hair of slope keeps different scores apart, so that ranking by confidence is ranking by score.
    values = fitted.predict(places) + 1e-6 * places
    return [(float(place), float(min(value, 0.9995))) for place, value in zip(places, values, strict=True)]
