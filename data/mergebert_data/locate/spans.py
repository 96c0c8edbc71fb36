"""Where a located resolution stands in the file people committed, told from its text: for a label without text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from mergebert.errors import DatasetError
from mergebert.text.candidates import whitespace_key
from mergebert.text.markers import lines_of, parse

Span = tuple[int, int]
NEAR = 8  # agreed lines on either side that tell one place of a resolution from another


@dataclass(frozen=True, slots=True)
class _Place:
    """The agreed lines before a conflict, the nearest first, and those behind it, without white space."""

    before: list[str]
    after: list[str]


class _Committed:
    """The lines people committed, and where each stands."""

    def __init__(self, text: str) -> None:
        self.lines = lines_of(text)
        self.keys = list(map(whitespace_key, self.lines))
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, line in enumerate(self.lines):
            self._places[line].append(place)

    def starts(self, wanted: Sequence[str]) -> list[int]:
        """Every place where the lines stand one after the other; before every line where there are none."""
        if not wanted:
            return list(range(len(self.lines) + 1))
        found = self._places.get(wanted[0], [])
        return [start for start in found if self.lines[start : start + len(wanted)] == wanted]

    def likeness(self, span: Span, place: _Place) -> int:
        """How many lines before and behind a span are those around the conflict, without a break."""
        before = reversed(self.keys[max(0, span[0] - NEAR) : span[0]])
        after = self.keys[span[1] : span[1] + NEAR]
        return _shared(before, place.before) + _shared(after, place.after)


def resolution_spans(conflicted: str, merged: str, resolutions: Sequence[str | None]) -> list[Span | None]:
    """The lines of the merged file that each resolution is, None for those not located.

    Where a text stands several times, the place whose neighbours are most like those of the conflict, behind the
    resolution before it if there is one: a guess, but the lines are the same wherever they are read. DatasetError where
    one stands nowhere.
    """
    if all(text is None for text in resolutions):
        return [None] * len(resolutions)
    committed = _Committed(merged)
    spans: list[Span | None] = []
    end = 0
    for text, place in zip(resolutions, _places(conflicted), strict=True):
        if text is None:
            spans.append(None)
            continue
        span = _span(committed, lines_of(text), place, end)
        spans.append(span)
        end = span[1]
    return spans


def _span(committed: _Committed, wanted: Sequence[str], place: _Place, end: int) -> Span:
    found = [(start, start + len(wanted)) for start in committed.starts(wanted)]
    if not found:
        raise DatasetError(
            "A resolution does not stand in the file that was committed: the data was changed after it was mined; "
            "mine it again."
        )
    return max(found, key=lambda span: (span[0] >= end, committed.likeness(span, place), -span[0]))


def _places(conflicted: str) -> list[_Place]:
    """The neighbours of each conflict; those of conflicts near by count."""
    keys: list[str] = []
    cuts = []
    for part in parse(conflicted, 7).parts:
        if isinstance(part, str):
            keys += map(whitespace_key, lines_of(part))
        else:
            cuts.append(len(keys))
    return [_Place(keys[max(0, cut - NEAR) : cut][::-1], keys[cut : cut + NEAR]) for cut in cuts]


def _shared(one: Iterable[str], other: Iterable[str]) -> int:
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
