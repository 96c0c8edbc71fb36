"""What the worker suggests for each open part of a text, and the choices that only git's versions tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import nlargest
from typing import TYPE_CHECKING

from mergebert.text.conflicted_text import OpenConflict
from mergebert.text.nested_markers import has_written_base
from mergebert_lsp.text.choices import CHOICES
from mergebert_lsp.text.suggestions import ConflictSuggestions, Suggestion
from mergebert_lsp.worker.reconciled_text import LocatedPart, ReconciledText

if TYPE_CHECKING:
    from mergebert.ranking.resolution import RankedConflict

_BOTH = ("both", "both-swapped")
LEAST = 0.01  # confidence worth a line; the best suggestion is shown whatever it is


def suggested(
    here: ReconciledText, offers: Mapping[int, RankedConflict], count: int
) -> tuple[ConflictSuggestions, ...]:
    """What is suggested for each open part with offers, in order; at most `count` suggestions each."""
    return tuple(
        _suggestions_for(part, [offers[one.index] for one in part.open_conflicts], count)
        for part in here.open_parts
        if part.open_conflicts and all(one.index in offers for one in part.open_conflicts)
    )


def _suggestions_for(part: LocatedPart, offers: Sequence[RankedConflict], count: int) -> ConflictSuggestions:
    return ConflictSuggestions(
        text=part.text,
        count=part.count,
        suggestions=tuple(_suggestions(part, offers, count)),
        is_sure=all(offer.accepted for offer in offers),
        sides=part.sides,
        choices=dict(_choices(part)),
    )


def _suggestions(part: LocatedPart, offers: Sequence[RankedConflict], count: int) -> Iterator[Suggestion]:
    """The likeliest ways to resolve the whole part; where it holds several conflicts, they are resolved together."""
    ways: list[tuple[float, tuple[int, ...]]] = [(1.0, ())]
    for offer in offers:
        longer = [
            (probability * resolution.confidence, (*taken, at))
            for probability, taken in ways
            for at, resolution in enumerate(offer.resolutions[:count])
        ]
        ways = nlargest(count, longer)
    ways = [way for way in ways if way[0] >= LEAST or not any(way[1])]
    for confidence, taken in sorted(ways, key=lambda way: (-way[0], way[1])):
        chosen = [offer.resolutions[at] for offer, at in zip(offers, taken, strict=True)]
        text = part.resolved(
            {one.index: best.text for one, best in zip(part.open_conflicts, chosen, strict=True)}
        )
        if text is not None and chosen:
            pattern = " / ".join(dict.fromkeys(one.pattern for one in chosen))
            method = " / ".join(dict.fromkeys(one.method for one in chosen))
            yield Suggestion(text, confidence, pattern, method)


def _choices(part: LocatedPart) -> Iterator[tuple[str, str]]:
    """The choices whose text the markers that stand there cannot tell."""
    ends_file = any(one.stages is not None for one in part.open_conflicts)
    knows_base = all(has_written_base(one.conflict) for one in part.open_conflicts)
    wanted = [name for name in CHOICES if ends_file or name == "base"]
    for name in wanted:
        if name == "base" and not knows_base:
            continue
        text = _taken(part, name)
        if text is not None:
            yield name, text


def _taken(part: LocatedPart, name: str) -> str | None:
    """What a choice makes of a part; both sides are whole, though git's markers may join several conflicts in them."""
    if name in _BOTH and len(part.open_conflicts) > part.count:
        text = CHOICES[name].text(part.marked_sides)
        return text if part.part.agreed[-1] else part.open_conflicts[-1].ended(text)
    return part.resolved({one.index: _side(one, name) for one in part.open_conflicts})


def _side(one: OpenConflict, name: str) -> str:
    """What a choice takes; lines that stand outside the markers are no part of either side where both are taken."""
    if name in _BOTH:
        return one.both(is_swapped=name == "both-swapped")
    return CHOICES[name].text(one.conflict.sides)
