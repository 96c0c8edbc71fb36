"""What is offered for conflicts, as the commands ask for it: ranked while a person waits, and shown to programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mergebert.settings import Settings
from mergebert.terminal import notice
from mergebert.text.conflicted_text import ConflictedText, OpenConflict
from mergebert.tiers import ErrorBudgets

if TYPE_CHECKING:
    from mergebert.ranking.evidence import ConflictKey
    from mergebert.ranking.open_merge import Offers, OpenMerge
    from mergebert.ranking.resolution import AnyResolver, RankedConflict
    from mergebert.text.history import MergeHistory

ConflictOffers = list[tuple[OpenConflict, "RankedConflict"]]


PATIENCE = 3  # times the timeout: a person waits longer than git should


def load_resolver(settings: Settings) -> AnyResolver:
    """The resolver with the bundle that `settings` name, held to a time and to memory."""
    from mergebert.ranking.limits import THREADS
    from mergebert.ranking.supervised import SupervisedResolver

    return SupervisedResolver(settings.bundle, PATIENCE * settings.timeout, THREADS)


def noticed_offers(merge: OpenMerge, answers: Mapping[ConflictKey, str]) -> Offers:
    """The offers for every open conflict; says what is being waited for where it takes long."""
    with notice(f"Ranking {len(merge.conflicts)} conflicts"):
        return merge.offers(answers)


def ranked_conflicts(
    text: ConflictedText,
    load: Callable[[], AnyResolver],
    budgets: ErrorBudgets,
    history: MergeHistory | None = None,
) -> ConflictOffers:
    """The open conflicts of one text with what is offered for each; without any no resolver is loaded."""
    conflicts = text.open_conflicts
    if not conflicts:
        return []
    from mergebert.ranking.open_merge import OpenMerge
    from mergebert.text.history import UNKNOWN_MERGE

    offers = noticed_offers(OpenMerge([text], load(), budgets, history or UNKNOWN_MERGE), {})
    return [(one, offers[0, one.index]) for one in conflicts]


def conflicts_json(found: ConflictOffers, count: int) -> list[dict[str, object]]:
    """Ranked conflicts for programs."""
    return [conflict_json(one.index, offer, count) for one, offer in found]


def conflict_json(index: int, offer: RankedConflict, count: int) -> dict[str, object]:
    """One conflict and its best `count` candidates for programs; a base that is not known is null."""
    sides = offer.conflict.sides
    return {
        "index": index,
        "base": sides.base if offer.conflict.has_base else None,
        "ours": sides.ours,
        "theirs": sides.theirs,
        "accepted": offer.accepted,
        "tier": str(offer.tier),
        "candidates": [
            {
                "text": candidate.text,
                "confidence": round(candidate.confidence, 6),
                "pattern": candidate.pattern,
                "method": candidate.method,
                "class": number,
            }
            for number, resolution in enumerate(offer.resolutions[:count])
            for candidate in (resolution, *resolution.variants)
        ],
    }
