"""Whether a resolution is sure enough to apply: the threshold of an error budget, and the file that must still parse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Annotated

import msgspec

from mergebert.ranking.evidence import FileEvidence
from mergebert.ranking.resolution import RankedConflict
from mergebert.text.languages import Language
from mergebert.text.markers import render, resolved
from mergebert.text.syntax import error_count
from mergebert.text.turned_space import undoes_turned_space

ErrorCount = Callable[[str, Language], int | None]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Curve = Annotated[tuple[tuple[Share, Share], ...], msgspec.Meta(min_length=1)]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Curves from the ranker's score to a probability, measured on repositories the ranker did not learn from.

    `best` maps the ranker's probability of its best class of candidates, as (score, probability) points joined by straight
    lines; the others share what it leaves. `risk` holds (threshold, coverage, error) of applying every best
    candidate whose calibrated probability is at least the threshold, highest threshold first.
    """

    best: Curve
    risk: Annotated[tuple[tuple[Share, Share, Share], ...], msgspec.Meta(min_length=1)]

    def threshold(self, max_error: float) -> float:
        """The lowest threshold whose error stays within `max_error`; 2 (never) if there is none."""
        enough = [threshold for threshold, _, error in self.risk if error <= max_error and max_error > 0]
        return min(enough, default=2.0)


def checked(
    evidence: FileEvidence, ranked: list[RankedConflict], errors_in: ErrorCount | None = None
) -> list[RankedConflict]:
    """`ranked`, the less confident half refused at a time until the file has no more syntax errors than its better side."""
    accepted = [at for at, one in enumerate(ranked) if one.accepted]
    count = errors_in or error_count
    limit = _side_errors(evidence, count) if accepted else None
    if limit is None:
        return ranked
    accepted.sort(key=lambda at: -ranked[at].resolutions[0].confidence)
    while accepted and _errors(evidence, ranked, count) > limit:
        kept = accepted[: len(accepted) // 2]
        ranked = [one if at in kept else one.refused() for at, one in enumerate(ranked)]
        accepted = kept
    return ranked


def keeping_turned_space(ranked: list[RankedConflict]) -> list[RankedConflict]:
    """`ranked`, refused where the best resolution would undo the line ends or the indents that a side has turned."""
    return [
        one.refused()
        if one.accepted and undoes_turned_space(one.resolutions[0].text, one.conflict.sides)
        else one
        for one in ranked
    ]


def _side_errors(evidence: FileEvidence, count: ErrorCount) -> int | None:
    """The syntax errors of the better of the two sides; None where the language has no grammar."""
    merged = evidence.file.merged
    counts = []
    for side in ("ours", "theirs"):
        counts.append(count(merged.side(side), evidence.language))
    known = [found for found in counts if found is not None]
    return min(known) if len(known) == 2 else None


def _errors(evidence: FileEvidence, ranked: Sequence[RankedConflict], count: ErrorCount) -> float:
    """The syntax errors with what is accepted in place and ours everywhere else; infinite if unknown."""
    texts = {
        at: one.resolutions[0].text if one.accepted else one.conflict.sides.ours
        for at, one in enumerate(ranked)
    }
    found = count(render(resolved(evidence.file.merged, texts)), evidence.language)
    return inf if found is None else found
