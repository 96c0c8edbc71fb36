"""Location by candidate: context lines, the text of a candidate and context lines follow each other in the merged file.

Neighbouring conflicts with next to nothing between them are explained together or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mergebert_data.locate.context_lines import CONTEXT, ContextLines, Lines, Span

STEPS = 20_000  # of the search over candidates of one group; beyond it nothing is proved


def spans_by_candidate(
    context: ContextLines, lines: Lines, candidates: Sequence[Sequence[list[str]]]
) -> list[Span | None]:
    """The one span of each conflict where a candidate (as line keys) stands in its context; None if there are several."""
    spans: list[set[Span]] = []
    for group in _groups(context):
        spans += _Group(context, lines, candidates, group).spans()
    return [next(iter(some)) if len(some) == 1 else None for some in spans]


def _groups(context: ContextLines) -> list[list[int]]:
    """The conflicts, those together that are close."""
    groups: list[list[int]] = []
    for conflict in range(len(context.positions)):
        if conflict and context.is_close(conflict):
            groups[-1].append(conflict)
        else:
            groups.append([conflict])
    return groups


class _Group:
    """Neighbouring conflicts explained together: context, candidate, the lines between, candidate, context."""

    def __init__(
        self, context: ContextLines, lines: Lines, candidates: Sequence[Sequence[list[str]]], group: list[int]
    ) -> None:
        self.context, self.lines, self.candidates, self.group = context, lines, candidates, group
        self.found: list[set[Span]] = [set() for _ in group]
        self.steps = 0

    def spans(self) -> list[set[Span]]:
        """The spans of each conflict of the group over all explanations; none if the search was given up."""
        for start in self._starts():
            self._explain(0, start, ())
            if self.steps >= STEPS:
                return [set() for _ in self.group]
        return self.found

    def _starts(self) -> Iterator[int]:
        first = self.group[0]
        position = self.context.positions[first]
        before = self.context.keys[max(self.context.before(first), position - CONTEXT) : position]
        if len(before) == CONTEXT:
            yield from (start + CONTEXT for start in self.lines.starts(before))
        elif self.lines.keys[: len(before)] == before:
            yield len(before)

    def _explain(self, at: int, start: int, spans: tuple[Span, ...]) -> None:
        """Tries every candidate of the conflict `at` from merged line `start`."""
        conflict = self.group[at]
        for candidate in self.candidates[conflict]:
            end = start + len(candidate)
            self.steps += 1
            if self.steps >= STEPS or self.lines.keys[start:end] != candidate:
                continue
            following = (*spans, (start, end))
            after = self._context_after(at)
            if self.lines.keys[end : end + len(after)] != after:
                continue
            if at + 1 < len(self.group):
                self._explain(at + 1, end + len(after), following)
            elif len(after) == CONTEXT or end + len(after) == len(self.lines.keys):
                for known, span in zip(self.found, following, strict=True):
                    known.add(span)

    def _context_after(self, at: int) -> list[str]:
        conflict = self.group[at]
        position, high = self.context.positions[conflict], self.context.after(conflict)
        return self.context.keys[
            position : high if at + 1 < len(self.group) else min(high, position + CONTEXT)
        ]
