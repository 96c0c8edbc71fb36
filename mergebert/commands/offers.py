"""Ranking that a person waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mergebert.terminal import notice

if TYPE_CHECKING:
    from mergebert.ranking.evidence import ConflictKey
    from mergebert.ranking.offers import Offers, OpenMerge


def noticed_offers(merge: OpenMerge, answers: Mapping[ConflictKey, str]) -> Offers:
    """The offers for every open conflict; says what is being waited for where it takes long."""
    with notice(f"Ranking {len(merge.conflicts)} conflicts"):
        return merge.offers(answers)
