"""Where the human resolution of each conflict stands in the merged file, with proof; no proof, no resolution.

Plain alignment of the agreed text with the merged file mislabels: a `}` or `return x` inside the resolution
is matched with the context. Two proofs are accepted:

aligned    the context on both sides is aligned line by line, unbroken, and stands nowhere else in the file
candidate  context, a candidate text and context follow each other in the merged file, at one place only

Lines are compared without white space. Where the proofs differ, the candidate's explains every line and wins.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mergebert.candidates import whitespace_key
from mergebert.diff import match_of
from mergebert.markers import MergedFile, lines_of

# Lines on either side, unbroken. Measured: without, half of a model's confident "errors" were wrong labels.
CONTEXT = 3
LONGEST_CONTEXT = 12  # grown to this where the nearest lines stand in the file more than once
STEPS = 20_000  # of the search over candidates of one group; beyond it nothing is proved
_TELLING = re.compile(r"\w{3}|\w\W+\w")

Span = tuple[int, int]
Keys = list[str]


@dataclass(frozen=True, slots=True)
class Located:
    """The lines people committed in place of a conflict, and what proves it: aligned, candidate or both."""

    text: str
    proof: str


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The agreed lines of a conflicted file and, for each conflict, how many of them stand before it."""

    keys: Keys
    cuts: tuple[int, ...]

    def before(self, conflict: int) -> int:
        """Where the agreed lines between the previous conflict and this one begin."""
        return self.cuts[conflict - 1] if conflict else 0

    def after(self, conflict: int) -> int:
        """Where the agreed lines between this conflict and the next one end."""
        return self.cuts[conflict + 1] if conflict + 1 < len(self.cuts) else len(self.keys)

    def is_close(self, conflict: int) -> bool:
        """Whether too few lines to prove anything separate it from the previous conflict."""
        return conflict > 0 and self.cuts[conflict] - self.cuts[conflict - 1] < CONTEXT


class Lines:
    """The lines of the merged file, and where each stands."""

    def __init__(self, text: str) -> None:
        self.texts = lines_of(text)
        self.keys = line_keys(text)
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, key in enumerate(self.keys):
            self._places[key].append(place)

    def places(self, keys: Sequence[str]) -> Iterator[int]:
        """Every place where `keys` stand one after the other."""
        wanted = list(keys)
        rarest = min(range(len(wanted)), key=lambda at: len(self._places.get(wanted[at], ())))
        for place in self._places.get(wanted[rarest], ()):
            start = place - rarest
            if start >= 0 and self.keys[start : start + len(wanted)] == wanted:
                yield start

    def only_place(self, keys: Sequence[str]) -> int | None:
        """Where `keys` stand if they stand in the file once."""
        found = self.places(keys)
        place = next(found, None)
        return place if next(found, None) is None else None


def line_keys(text: str) -> Keys:
    """The lines of `text` without white space."""
    return [whitespace_key(line) for line in lines_of(text)]


def skeleton_of(conflicted: MergedFile) -> Skeleton:
    """The agreed lines of a conflicted file and where its conflicts stand among them."""
    keys: Keys = []
    cuts = []
    for part in conflicted.parts:
        if isinstance(part, str):
            keys += line_keys(part)
        else:
            cuts.append(len(keys))
    return Skeleton(keys, tuple(cuts))


def located(conflicted: MergedFile, merged: str, texts: Sequence[Sequence[str]]) -> list[Located | None]:
    """The resolution of each conflict in the merged file; `texts` are the candidate texts of each."""
    skeleton, lines = skeleton_of(conflicted), Lines(merged)
    aligned = _AlignedProof(skeleton, lines).spans()
    explained = _candidate_spans(skeleton, lines, [[line_keys(text) for text in some] for some in texts])
    found: list[Located | None] = []
    for span, spans in zip(aligned, explained, strict=True):
        believed, proof = _believed(span, spans)
        found.append(Located("".join(lines.texts[believed[0] : believed[1]]), proof) if believed else None)
    return found


def _believed(aligned: Span | None, explained: set[Span]) -> tuple[Span | None, str]:
    """The span that is proved, and by what."""
    if aligned in explained:
        return aligned, "both"
    if len(explained) == 1:
        return next(iter(explained)), "candidate"
    return (None, "") if explained or aligned is None else (aligned, "aligned")


class _AlignedProof:
    """Proof by alignment: the agreed lines on both sides of a conflict, matched unbroken and unambiguous."""

    def __init__(self, skeleton: Skeleton, lines: Lines) -> None:
        self.skeleton = skeleton
        self.lines = lines
        self.match = match_of(skeleton.keys, lines.keys)
        conflicts = range(len(skeleton.cuts))
        self.starts = [self._start(conflict) for conflict in conflicts]
        self.ends = [self._end(conflict) for conflict in conflicts]

    def spans(self) -> list[Span | None]:
        """The proved span of each conflict."""
        starts, ends = list(self.starts), list(self.ends)
        for conflict in range(len(starts) - 1):
            low, high = self.skeleton.cuts[conflict], self.skeleton.cuts[conflict + 1]
            if (ends[conflict] is None or starts[conflict + 1] is None) and self._is_alone(
                conflict, low, high
            ):
                ends[conflict], starts[conflict + 1] = self.match[low], self.match[high - 1] + 1
        return [
            (start, end) if start is not None and end is not None and start <= end else None
            for start, end in zip(starts, ends, strict=True)
        ]

    def _start(self, conflict: int) -> int | None:
        """The merged line behind the context before the conflict."""
        low, cut = self.skeleton.before(conflict), self.skeleton.cuts[conflict]
        if not cut:
            return 0
        for size in _sizes(cut - low):
            context = self.skeleton.keys[cut - size : cut]
            if size == cut and self.lines.keys[:size] == context:
                return size
            place = self.lines.only_place(context)
            if size >= CONTEXT and place is not None and self._is_near(cut - size, cut, place):
                return place + size
        return None

    def _end(self, conflict: int) -> int | None:
        """The first merged line of the context after the conflict."""
        cut, high = self.skeleton.cuts[conflict], self.skeleton.after(conflict)
        if cut == len(self.skeleton.keys):
            return len(self.lines.keys)
        for size in _sizes(high - cut):
            context = self.skeleton.keys[cut : cut + size]
            if cut + size == len(self.skeleton.keys) and self.lines.keys[-size:] == context:
                return len(self.lines.keys) - size
            place = self.lines.only_place(context)
            if size >= CONTEXT and place is not None and self._is_near(cut, cut + size, place):
                return place
        return None

    def _is_near(self, low: int, high: int, place: int) -> bool:
        """Whether the alignment puts one of these agreed lines there; its blank lines may have slipped."""
        return any(self.match[at] == place + at - low for at in range(low, high))

    def _is_unbroken(self, low: int, high: int) -> bool:
        first = self.match[low]
        return first >= 0 and self.match[low:high] == list(range(first, first + high - low))

    def _is_alone(self, conflict: int, low: int, high: int) -> bool:
        """Whether the lines before the next conflict say something and stand once between proved places."""
        keys = self.skeleton.keys[low:high]
        start = next((start for start in self.starts[conflict::-1] if start is not None), None)
        end = next((end for end in self.ends[conflict + 1 :] if end is not None), None)
        if (
            start is None
            or end is None
            or not self._is_unbroken(low, high)
            or not any(map(_TELLING.search, keys))
        ):
            return False
        return sum(start <= place <= end - len(keys) for place in self.lines.places(keys)) == 1


def _sizes(available: int) -> range:
    """The context lengths to try, shortest first."""
    return range(max(1, min(CONTEXT, available)), min(LONGEST_CONTEXT, available) + 1)


def _candidate_spans(skeleton: Skeleton, lines: Lines, keys: Sequence[Sequence[Keys]]) -> list[set[Span]]:
    """For each conflict every span that a candidate fills between its contexts.

    Conflicts with next to nothing between them are explained together or not at all.
    """
    spans: list[set[Span]] = []
    group: list[int] = []
    for conflict in range(len(skeleton.cuts)):
        if group and not skeleton.is_close(conflict):
            spans += _Group(skeleton, lines, keys, group).spans()
            group = []
        group.append(conflict)
    return spans + (_Group(skeleton, lines, keys, group).spans() if group else [])


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
        return self.found if self.steps < STEPS else [set() for _ in self.group]

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
