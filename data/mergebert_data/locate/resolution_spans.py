"""The span of a located resolution in the merged file: a label that needs no text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from mergebert.errors import DatasetError
from mergebert.example import labelled_merge
from mergebert.text.candidates import whitespace_key
from mergebert.text.markers import lines_of
from mergebert_data.locate.context_lines import LineKeys, Span, context_lines_of

NEAR = 8  # context lines on either side, which tell the copies of a text apart


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """The context lines before a conflict, the nearest first, and those behind it, without white space."""

    before: list[str]
    after: list[str]


class _MergedLines:
    """The lines of the merged file, and where each of them stands."""

    def __init__(self, text: str) -> None:
        self.lines = lines_of(text)
        self.keys = list(map(whitespace_key, self.lines))
        self._numbers: dict[str, list[int]] = defaultdict(list)
        for number, line in enumerate(self.lines):
            self._numbers[line].append(number)

    def starts(self, wanted: Sequence[str]) -> list[int]:
        """The line numbers at which the run of wanted lines begins; every one for an empty run."""
        if not wanted:
            return list(range(len(self.lines) + 1))
        found = self._numbers.get(wanted[0], [])
        return [start for start in found if self.lines[start : start + len(wanted)] == wanted]

    def shared_context(self, span: Span, near: _Neighbours) -> int:
        """How many lines around a span are those around the conflict, counted from the span to the first other one."""
        before = reversed(self.keys[max(0, span[0] - NEAR) : span[0]])
        after = self.keys[span[1] : span[1] + NEAR]
        return _shared(before, near.before) + _shared(after, near.after)


def resolution_spans(conflicted: str, merged: str, resolutions: Sequence[str | None]) -> list[Span | None]:
    """The span of each resolution in the merged file, None for those not located.

    Of several occurrences it is the one with most of the conflict's context around it, behind the previous resolution
    if possible: a guess, but all of them read the same. DatasetError where there is none.
    """
    if all(text is None for text in resolutions):
        return [None] * len(resolutions)
    merged_lines = _MergedLines(merged)
    spans: list[Span | None] = []
    end = 0
    for text, near in zip(resolutions, _neighbours(conflicted, len(resolutions)), strict=True):
        if text is None:
            spans.append(None)
            continue
        span = _span(merged_lines, lines_of(text), near, end)
        spans.append(span)
        end = span[1]
    return spans


def _span(merged: _MergedLines, wanted: Sequence[str], near: _Neighbours, end: int) -> Span:
    found = [(start, start + len(wanted)) for start in merged.starts(wanted)]
    if not found:
        raise DatasetError(
            "A resolution does not stand in the file that was committed: the data was changed after it was mined; "
            "mine it again."
        )
    return max(found, key=lambda span: (span[0] >= end, merged.shared_context(span, near), -span[0]))


def _neighbours(conflicted: str, labels: int) -> list[_Neighbours]:
    """The context lines around each conflict, those beyond the next conflict too."""
    context = context_lines_of(labelled_merge(conflicted, labels), LineKeys())
    return [
        _Neighbours(context.keys[max(0, at - NEAR) : at][::-1], context.keys[at : at + NEAR])
        for at in context.positions
    ]


def _shared(one: Iterable[str], other: Iterable[str]) -> int:
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
