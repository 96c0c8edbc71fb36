"""Location by alignment: the context lines on both sides of a conflict, aligned with the merged file and unbroken.

Plain alignment mislabels: a `}` or `return x` inside the resolution is matched with the context. So three context lines
on either side must follow each other where the alignment puts one of them (it may have put a blank line elsewhere);
between two conflicts closer than that, all lines in between, if one of them has words.
"""

from __future__ import annotations

from collections.abc import Sequence

from mergebert.text.diff import match_of
from mergebert_data.locate.context_lines import CONTEXT, ContextLines, Lines, Span, has_words


def spans_by_alignment(context: ContextLines, lines: Lines) -> list[Span | None]:
    """The span between the aligned context lines of each conflict."""
    match = match_of(context.keys, lines.keys)
    return [_span(context, lines, match, conflict) for conflict in range(len(context.positions))]


def _span(context: ContextLines, lines: Lines, match: Sequence[int], conflict: int) -> Span | None:
    position = context.positions[conflict]
    low, high = (
        max(context.before(conflict), position - CONTEXT),
        min(context.after(conflict), position + CONTEXT),
    )
    first, last = conflict == 0, conflict + 1 == len(context.positions)
    start = _start(context, lines, match, range(low, position), 0 if first else None)
    end = _start(
        context, lines, match, range(position, high), len(lines.keys) - (high - position) if last else None
    )
    if start is None or end is None or start + (position - low) > end:
        return None
    return start + (position - low), end


def _start(
    context: ContextLines, lines: Lines, match: Sequence[int], part: range, border: int | None
) -> int | None:
    """Where a part of the context lines begins in the merged file; fewer than three may stand at the `border` of the file."""
    keys = context.keys[part.start : part.stop]
    if len(keys) < CONTEXT and border is not None:
        starts = {border}
    elif len(keys) == CONTEXT or any(map(has_words, keys)):
        starts = {match[at] - distance for distance, at in enumerate(part) if match[at] >= 0}
    else:
        return None
    found = [at for at in starts if at >= 0 and lines.keys[at : at + len(keys)] == keys]
    return found[0] if len(found) == 1 else None
