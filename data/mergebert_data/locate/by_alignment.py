"""Location by order: the agreed lines on both sides of a conflict, aligned with the merged file and unbroken.

Plain alignment of the agreed text mislabels: a `}` or `return x` inside the resolution is matched with the context.
So three agreed lines on either side must follow each other where the alignment puts one of them (it may have put a
blank line elsewhere); between two conflicts closer than that, all lines in between, if they say something.
"""

from __future__ import annotations

from collections.abc import Sequence

from mergebert.text.diff import match_of
from mergebert_data.locate.context_lines import CONTEXT, Lines, Skeleton, Span, is_telling


def aligned_spans(skeleton: Skeleton, lines: Lines) -> list[Span | None]:
    """The span between the aligned contexts of each conflict."""
    match = match_of(skeleton.keys, lines.keys)
    return [_span(skeleton, lines, match, conflict) for conflict in range(len(skeleton.cuts))]


def _span(skeleton: Skeleton, lines: Lines, match: Sequence[int], conflict: int) -> Span | None:
    cut = skeleton.cuts[conflict]
    low, high = max(skeleton.before(conflict), cut - CONTEXT), min(skeleton.after(conflict), cut + CONTEXT)
    first, last = conflict == 0, conflict + 1 == len(skeleton.cuts)
    start = _place(skeleton, lines, match, range(low, cut), 0 if first else None)
    end = _place(skeleton, lines, match, range(cut, high), len(lines.keys) - (high - cut) if last else None)
    if start is None or end is None or start + (cut - low) > end:
        return None
    return start + (cut - low), end


def _place(
    skeleton: Skeleton, lines: Lines, match: Sequence[int], context: range, border: int | None
) -> int | None:
    """Where the agreed lines `context` begin in the merged file; fewer than three may stand at the `border` of the file."""
    keys = skeleton.keys[context.start : context.stop]
    if len(keys) < CONTEXT and border is not None:
        places = {border}
    elif len(keys) == CONTEXT or any(map(is_telling, keys)):
        places = {match[at] - distance for distance, at in enumerate(context) if match[at] >= 0}
    else:
        return None
    fitting = [at for at in places if at >= 0 and lines.keys[at : at + len(keys)] == keys]
    return fitting[0] if len(fitting) == 1 else None
