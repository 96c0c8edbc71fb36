"""What the worker answers for each region of a text: the suggestions, and the choices that only git's versions tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import nlargest
from typing import TYPE_CHECKING

from mergebert_lsp.text.choices import CHOICES
from mergebert_lsp.text.region import Region, Suggestion
from mergebert_lsp.worker.reconciled import Place, Standing

if TYPE_CHECKING:
    from mergebert.ranking.resolver import RankedConflict

LEAST = 0.01  # confidence worth a line; the best suggestion is shown whatever it is


def regions(here: Standing, offers: Mapping[int, RankedConflict], count: int) -> tuple[Region, ...]:
    """Each region with offers, in order; at most `count` suggestions each."""
    return tuple(
        _region(place, [offers[slot.index] for slot in place.slots], count)
        for place in here.places
        if place.slots and all(slot.index in offers for slot in place.slots)
    )


def _region(place: Place, offers: Sequence[RankedConflict], count: int) -> Region:
    return Region(
        text=place.text,
        count=place.count,
        suggestions=tuple(_suggestions(place, offers, count)),
        is_sure=all(offer.accepted for offer in offers),
        sides=place.sides,
        choices=dict(_choices(place)),
    )


def _suggestions(place: Place, offers: Sequence[RankedConflict], count: int) -> Iterator[Suggestion]:
    """The likeliest ways to resolve the whole region; where it holds several conflicts, they are resolved together."""
    ways: list[tuple[float, tuple[int, ...]]] = [(1.0, ())]
    for offer in offers:
        longer = [
            (belief * resolution.confidence, (*taken, at))
            for belief, taken in ways
            for at, resolution in enumerate(offer.resolutions[:count])
        ]
        ways = nlargest(count, longer)
    ways = [way for way in ways if way[0] >= LEAST or not any(way[1])]
    for confidence, taken in sorted(ways, key=lambda way: (-way[0], way[1])):
        chosen = [offer.resolutions[at] for offer, at in zip(offers, taken, strict=True)]
        text = place.resolved({slot.index: one.text for slot, one in zip(place.slots, chosen, strict=True)})
        if text is not None and chosen:
            pattern = " / ".join(dict.fromkeys(one.pattern for one in chosen))
            method = " / ".join(dict.fromkeys(one.method for one in chosen))
            yield Suggestion(text, confidence, pattern, method)


def _choices(place: Place) -> Iterator[tuple[str, str]]:
    """The choices whose text the markers that stand there cannot tell."""
    ends_file = any(slot.stages is not None for slot in place.slots)
    knows_base = all(slot.conflict.has_base for slot in place.slots)
    wanted = [name for name in CHOICES if ends_file or name == "base"]
    for name in wanted:
        if name == "base" and not knows_base:
            continue
        text = place.resolved({slot.index: CHOICES[name](slot.conflict.sides) for slot in place.slots})
        if text is not None:
            yield name, text
