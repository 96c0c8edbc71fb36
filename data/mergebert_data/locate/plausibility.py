"""Whether a text looks like the resolution of its conflict and not like a part of something else.

Where people deleted or moved the lines next to a conflict, a unique line may stand elsewhere. It shows: the text
holds context lines that belong outside, or the conflict's own lines stand beside it or in another part of the file.
Measured on files resolved by code: of the texts located by context alone 18 % are wrong, of the plausible ones 3 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from mergebert.text.markers import Conflict
from mergebert_data.locate.context_lines import CONTEXT, ContextLines, LineKeys, Lines, Span, has_words


class PlausibilityCheck:
    """Which spans of a merged file may be resolutions of their conflicts; only lines with words count."""

    def __init__(
        self, context: ContextLines, lines: Lines, conflicts: Sequence[Conflict], keys: LineKeys
    ) -> None:
        self.context, self.lines, self.conflicts, self.keys = context, lines, conflicts, keys

    def is_plausible(self, conflict: int, span: Span) -> bool:
        """Whether no context line stands in the span, and no line of the conflict beside it or elsewhere."""
        start, end = span
        keys, own = self.lines.keys, self._own[conflict]
        inside = {key for key in keys[start:end] if has_words(key)}
        if not inside.isdisjoint(self._outside - own):
            return False
        beside = keys[max(0, start - CONTEXT) : start] + keys[end : end + CONTEXT]
        disputed = own - self._outside
        return disputed.isdisjoint(beside) and not self._is_elsewhere(disputed, span)

    def _is_elsewhere(self, disputed: set[str], span: Span) -> bool:
        """Whether a line that stands in this conflict alone stands in the file, but not in the span."""
        alone = {key for key in disputed if self._conflicts_with[key] == 1}
        return not alone.isdisjoint(self.lines.keys[: span[0]] + self.lines.keys[span[1] :])

    @cached_property
    def _outside(self) -> set[str]:
        return {key for key in self.context.keys if has_words(key)}

    @cached_property
    def _own(self) -> list[set[str]]:
        """The lines with words of each conflict, of any side."""
        return [
            {key for side in conflict.sides for key in self.keys.of(side) if has_words(key)}
            for conflict in self.conflicts
        ]

    @cached_property
    def _conflicts_with(self) -> Counter[str]:
        """In how many conflicts each line stands."""
        return Counter(key for own in self._own for key in own)
