"""Risks made up for tests."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mergebert.ranking.risk import Risk

CONFLICTS = 1_000_000  # so many that what is added to errors does not show


def risk_of(*points: tuple[float, float, float]) -> Risk:
    """The risk of one repository: (threshold, coverage, error), highest thresholds first."""
    counts = [round(CONFLICTS * coverage) for _, coverage, _ in points]
    wrong = [max(0, round(count * error) - 2) for count, (_, _, error) in zip(counts, points, strict=True)]
    thresholds = tuple(threshold for threshold, _, _ in points)
    return Risk(thresholds, tuple((count,) for count in counts), tuple((one,) for one in wrong), 60)


def plain_risk(*points: tuple[float, float, float]) -> dict[str, Any]:
    """The same as it stands in a bundle."""
    return asdict(risk_of(*points))
