"""Whether a text looks like the resolution of its conflict and not like a cut through something else.

Where people deleted or moved the lines next to a conflict, a unique line may stand elsewhere. It shows: the text
holds agreed lines that belong outside, or the conflict's own lines stand beside it or in another part of the file.
Measured on files resolved by code: of the texts that uniqueness alone finds 18 % are wrong, of those that fit 3 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from mergebert.text.markers import Conflict
from mergebert_data.locate.context_lines import CONTEXT, LineKeys, Lines, Skeleton, Span, is_telling


class Fitting:
    """Tells which texts of a merged file fit their conflicts; only lines that say something count."""

    def __init__(
        self, skeleton: Skeleton, lines: Lines, conflicts: Sequence[Conflict], keys: LineKeys
    ) -> None:
        self.skeleton, self.lines, self.conflicts, self.keys = skeleton, lines, conflicts, keys

    def is_fitting(self, conflict: int, span: Span) -> bool:
        """Whether the span holds no line that belongs outside, and nothing outside belongs to the conflict."""
        start, end = span
        keys, own = self.lines.keys, self._own[conflict]
        inside = {key for key in keys[start:end] if is_telling(key)}
        if not inside.isdisjoint(self._agreed - own):
            return False
        beside = keys[max(0, start - CONTEXT) : start] + keys[end : end + CONTEXT]
        disputed = own - self._agreed
        return disputed.isdisjoint(beside) and not self._is_elsewhere(disputed, span)

    def _is_elsewhere(self, disputed: set[str], span: Span) -> bool:
        """Whether a line that stands in this conflict alone stands in the file, but not in the span."""
        alone = {key for key in disputed if self._conflicts_with[key] == 1}
        return not alone.isdisjoint(self.lines.keys[: span[0]] + self.lines.keys[span[1] :])

    @cached_property
    def _agreed(self) -> set[str]:
        return {key for key in self.skeleton.keys if is_telling(key)}

    @cached_property
    def _own(self) -> list[set[str]]:
        """The telling lines of each conflict, of any side."""
        return [
            {key for side in conflict.sides for key in self.keys.of(side) if is_telling(key)}
            for conflict in self.conflicts
        ]

    @cached_property
    def _conflicts_with(self) -> Counter[str]:
        """In how many conflicts each line stands."""
        return Counter(key for own in self._own for key in own)
