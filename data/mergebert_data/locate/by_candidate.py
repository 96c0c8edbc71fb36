"""Location by content: context, the text of a candidate and context follow each other in the merged file.

Neighbouring conflicts with next to nothing between them are explained together or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mergebert_data.locate.context_lines import CONTEXT, Keys, Lines, Skeleton, Span

STEPS = 20_000  # of the search over candidates of one group; beyond it nothing is proved


def placed_spans(skeleton: Skeleton, lines: Lines, keys: Sequence[Sequence[Keys]]) -> list[Span | None]:
    """The only span of each conflict that one of its candidates, `keys`, fills between its contexts."""
    spans: list[set[Span]] = []
    for group in _groups(skeleton):
        spans += _Group(skeleton, lines, keys, group).spans()
    return [next(iter(some)) if len(some) == 1 else None for some in spans]


def _groups(skeleton: Skeleton) -> list[list[int]]:
    """The conflicts, those together that are close."""
    groups: list[list[int]] = []
    for conflict in range(len(skeleton.cuts)):
        if conflict and skeleton.is_close(conflict):
            groups[-1].append(conflict)
        else:
            groups.append([conflict])
    return groups


class _Group:
    """Neighbouring conflicts explained together: context, candidate, agreed lines, candidate, context."""

    def __init__(
        self, skeleton: Skeleton, lines: Lines, keys: Sequence[Sequence[Keys]], group: list[int]
    ) -> None:
        self.skeleton, self.lines, self.keys, self.group = skeleton, lines, keys, group
        self.found: list[set[Span]] = [set() for _ in group]
        self.steps = 0

    def spans(self) -> list[set[Span]]:
        """The spans of each conflict of the group over all explanations; none if the search was cut short."""
        for start in self._starts():
            self._explain(0, start, ())
            if self.steps >= STEPS:
                return [set() for _ in self.group]
        return self.found

    def _starts(self) -> Iterator[int]:
        first = self.group[0]
        cut = self.skeleton.cuts[first]
        context = self.skeleton.keys[max(self.skeleton.before(first), cut - CONTEXT) : cut]
        if len(context) == CONTEXT:
            yield from (place + CONTEXT for place in self.lines.places(context))
        elif self.lines.keys[: len(context)] == context:
            yield len(context)

    def _explain(self, at: int, start: int, spans: tuple[Span, ...]) -> None:
        """Tries every candidate of the conflict `at` from merged line `start`."""
        conflict = self.group[at]
        for candidate in self.keys[conflict]:
            end = start + len(candidate)
            self.steps += 1
            if self.steps >= STEPS or self.lines.keys[start:end] != candidate:
                continue
            following = (*spans, (start, end))
            context = self._context_after(at)
            if self.lines.keys[end : end + len(context)] != context:
                continue
            if at + 1 < len(self.group):
                self._explain(at + 1, end + len(context), following)
            elif len(context) == CONTEXT or end + len(context) == len(self.lines.keys):
                for known, span in zip(self.found, following, strict=True):
                    known.add(span)

    def _context_after(self, at: int) -> Keys:
        conflict = self.group[at]
        cut, high = self.skeleton.cuts[conflict], self.skeleton.after(conflict)
        return self.skeleton.keys[cut : high if at + 1 < len(self.group) else min(high, cut + CONTEXT)]
