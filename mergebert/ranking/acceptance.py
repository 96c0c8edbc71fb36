"""Whether a resolution stays in its tier: calibrated probabilities, and the file that must still parse with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from math import inf
from typing import Annotated

import msgspec

from mergebert.ranking.evidence import FileEvidence
from mergebert.ranking.resolution import RankedConflict
from mergebert.ranking.risk import Risk, Share
from mergebert.text.languages import Language
from mergebert.text.markers import render, resolved
from mergebert.text.syntax import error_count
from mergebert.text.turned_space import undoes_turned_space
from mergebert.tiers import Tier

ErrorCount = Callable[[str, Language], int | None]
Curve = Annotated[tuple[tuple[Share, Share], ...], msgspec.Meta(min_length=1)]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Curves from the ranker's score to a probability, measured on repositories the ranker did not learn from.

    `best` maps the ranker's probability of its best class of candidates, as (score, probability) points joined by straight
    lines; the others share what it leaves. `risk` counts errors by that probability.
    """

    best: Curve
    risk: Risk


def checked(
    evidence: FileEvidence, ranked: list[RankedConflict], errors_in: ErrorCount | None = None
) -> list[RankedConflict]:
    """`ranked`, the less confident half refused at a time until the file has no more syntax errors than its better side:
    with what is applied, then with the drafts too."""
    if all(one.tier is Tier.SUGGESTED for one in ranked):
        return ranked
    count = errors_in or error_count
    limit = _side_errors(evidence, count)
    if limit is None:
        return ranked
    kept: frozenset[int] = frozenset()
    for tier in (Tier.APPLIED, Tier.DRAFT):
        wanted = [at for at, one in enumerate(ranked) if one.tier is tier]
        wanted.sort(key=lambda at: -ranked[at].resolutions[0].confidence)
        while wanted and _errors(evidence, ranked, kept | set(wanted), count) > limit:
            refused = wanted[len(wanted) // 2 :]
            ranked = [one.refused() if at in refused else one for at, one in enumerate(ranked)]
            wanted = wanted[: len(wanted) // 2]
        kept |= set(wanted)
    return ranked


def keeping_turned_space(ranked: list[RankedConflict]) -> list[RankedConflict]:
    """`ranked`, refused where the best resolution would undo the line ends or the indents that a side has turned."""
    return [
        one.refused()
        if one.tier is not Tier.SUGGESTED and undoes_turned_space(one.resolutions[0].text, one.conflict.sides)
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


def _errors(
    evidence: FileEvidence, ranked: Sequence[RankedConflict], put_in: Set[int], count: ErrorCount
) -> float:
    """The syntax errors with the best resolution in these conflicts and ours everywhere else; infinite if unknown."""
    texts = {
        at: one.resolutions[0].text if at in put_in else one.conflict.sides.ours
        for at, one in enumerate(ranked)
    }
    found = count(render(resolved(evidence.file.merged, texts)), evidence.language)
    return inf if found is None else found
