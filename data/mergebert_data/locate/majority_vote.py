"""Where the resolution that people committed stands in the merged file, by majority vote of three methods.

Each method looks for it on another ground and finds a span or nothing; `proof` and `dissent` of mined rows name them so:

aligned    by alignment: three context lines on either side follow each other where an alignment of the whole file puts them
unique     by context: between the shortest contexts on either side that stand in the file once
candidate  by candidate: context lines, the text of a candidate and context lines follow each other, at one place only

A text that two of them find wins, and the third may dissent; one against one proves nothing, and without proof there is
no resolution. The exceptions stand in `_winners`; `benchmarks/location.py` measures the rules where the truth is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mergebert.text.markers import MergedFile
from mergebert_data.locate.by_alignment import spans_by_alignment
from mergebert_data.locate.by_candidate import spans_by_candidate
from mergebert_data.locate.by_context import spans_by_context
from mergebert_data.locate.context_lines import LineKeys, Lines, Span, context_lines_of
from mergebert_data.locate.plausibility import PlausibilityCheck

# The stored format of the dataset: `proof` and `dissent` of every mined row name by alignment, by context, by candidate so.
METHODS = BY_ALIGNMENT, BY_CONTEXT, BY_CANDIDATE = ("aligned", "unique", "candidate")


@dataclass(frozen=True, slots=True)
class Location:
    """The text people committed in place of a conflict, the methods that found it, and those that found another one."""

    text: str
    proof: tuple[str, ...]
    dissent: tuple[str, ...] = ()


def locations(
    conflicted: MergedFile, merged: str, candidates: Sequence[Sequence[str]]
) -> list[Location | None]:
    """The resolution of each conflict in the merged file, None without proof; `candidates` are the texts of each."""
    keys = LineKeys()
    context, lines = context_lines_of(conflicted, keys), Lines(merged, keys)
    spans = (
        spans_by_alignment(context, lines),
        spans_by_context(context, lines),
        spans_by_candidate(context, lines, [[keys.of(text) for text in texts] for texts in candidates]),
    )
    plausibility = PlausibilityCheck(context, lines, conflicted.conflicts, keys)
    found = []
    for conflict, spans_found in enumerate(zip(*spans, strict=True)):
        votes = {name: span for name, span in zip(METHODS, spans_found, strict=True) if span is not None}
        location = _location(lines, votes)
        by_context_alone = location is not None and location.proof == (BY_CONTEXT,)
        is_doubtful = by_context_alone and not plausibility.is_plausible(conflict, votes[BY_CONTEXT])
        found.append(None if is_doubtful else location)
    return found


def _location(lines: Lines, votes: Mapping[str, Span]) -> Location | None:
    """The location that wins where the methods found these spans; spans that differ in white space are one."""
    finders: dict[str, list[str]] = defaultdict(list)
    for method, span in votes.items():
        finders[lines.key(span)].append(method)
    proof = _winners(list(finders.values()))
    if not proof:
        return None
    return Location(lines.text(votes[proof[0]]), proof, tuple(name for name in votes if name not in proof))


def _winners(finders: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The methods of the text that wins, where each group of methods found another text; none where nothing is proved.

    Exceptions, each measured: where candidates could vote, alignment alone found another text in 28 % of the cases;
    where the truth is known, alignment and a candidate against the context were wrong in 73 % (the context is repeated,
    and both took the nearest copy).
    """
    winners = max(map(tuple, finders), key=len, default=())
    if len(finders) > 1 and (len(winners) == 1 or BY_CONTEXT not in winners):
        return ()
    return () if winners == (BY_ALIGNMENT,) else winners
