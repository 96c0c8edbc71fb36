"""The nine primitive merge patterns of MergeBERT (arXiv 2109.00084, section 4) and what each takes of a hunk.

A pattern is applied to sequences of keys and answers with sources, (side, index) pairs, never with text: so the
same nine serve lines and tokens, and every resolution carries the proof of where each piece came from.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Sequence
from enum import Enum
from math import log

from mergebert.text.align import Change, Hunk, Keys, ThreeWayDiff
from mergebert.text.threeway import ThreeWay

BASE, OURS, THEIRS = 0, 1, 2
Source = tuple[int, int]
LABEL_HUNKS = 400  # deeper than this the search for a label is not worth its stack


class Pattern(Enum):
    """What a resolution takes; the order is the order of the classifier's outputs and is checked on load."""

    TAKE_OURS = "ours"
    TAKE_THEIRS = "theirs"
    TAKE_BASE = "base"
    OURS_THEIRS = "ours+theirs"
    THEIRS_OURS = "theirs+ours"
    OURS_LESS_BASE = "ours-base"
    THEIRS_LESS_BASE = "theirs-base"
    OURS_THEIRS_LESS_BASE = "ours+theirs-base"
    THEIRS_OURS_LESS_BASE = "theirs+ours-base"


PATTERNS = tuple(Pattern)

# Shares of token-level resolutions reported by the paper, section 4, split evenly inside each group it names;
# the order of suggestions where no classifier has spoken.
PRIOR = dict(zip(PATTERNS, (0.37, 0.37, 0.004, 0.115, 0.115, 0.0045, 0.0045, 0.0045, 0.0045), strict=True))

_SIDES = {
    Pattern.TAKE_OURS: (OURS,),
    Pattern.TAKE_THEIRS: (THEIRS,),
    Pattern.TAKE_BASE: (BASE,),
    Pattern.OURS_THEIRS: (OURS, THEIRS),
    Pattern.THEIRS_OURS: (THEIRS, OURS),
    Pattern.OURS_LESS_BASE: (OURS,),
    Pattern.THEIRS_LESS_BASE: (THEIRS,),
    Pattern.OURS_THEIRS_LESS_BASE: (OURS, THEIRS),
    Pattern.THEIRS_OURS_LESS_BASE: (THEIRS, OURS),
}
_LESS_BASE = frozenset(pattern for pattern in PATTERNS if pattern.value.endswith("-base"))


def apply(pattern: Pattern, hunk: Hunk, keys: ThreeWay[Keys]) -> list[Source]:
    """The sources that `pattern` takes of `hunk`; "less base" drops every key that the base part also holds."""
    sequences, ranges = tuple(keys), tuple(hunk.ranges)
    taken = [(side, at) for side in _SIDES[pattern] for at in ranges[side]]
    if pattern not in _LESS_BASE:
        return taken
    in_base = {keys.base[at] for at in hunk.ranges.base}
    return [(side, at) for side, at in taken if sequences[side][at] not in in_base]


def merged_sources(diff: ThreeWayDiff, keys: ThreeWay[Keys], chosen: Sequence[Pattern]) -> list[Source]:
    """The sources of the whole merge, the n-th disputed hunk resolved by the n-th of `chosen`."""
    sources: list[Source] = []
    patterns = iter(chosen)
    for hunk in diff.hunks:
        if hunk.change is Change.DISPUTED:
            sources += apply(next(patterns), hunk, keys)
        else:
            sources += undisputed_sources(hunk)
    return sources


def undisputed_sources(hunk: Hunk) -> list[Source]:
    """The sources of a hunk that only one side changed, or both alike."""
    side = THEIRS if hunk.change is Change.THEIRS else OURS
    return [(side, at) for at in tuple(hunk.ranges)[side]]


def label(
    diff: ThreeWayDiff, keys: ThreeWay[Keys], resolution: Keys, limit: int = 64
) -> list[tuple[Pattern, ...]]:
    """Every choice of patterns (at most `limit`) that makes the keys of `resolution`: the inverse of `apply`."""
    sequences = tuple(keys)
    if len(diff.hunks) > LABEL_HUNKS:
        return []
    options: _Options = []
    for hunk in diff.hunks:
        if hunk.change is Change.DISPUTED:
            options.append(
                [(pattern, [sequences[s][i] for s, i in apply(pattern, hunk, keys)]) for pattern in PATTERNS]
            )
        else:
            options.append([(None, [sequences[s][i] for s, i in undisputed_sources(hunk)])])
    search = _Search(options, list(resolution), limit)
    search.extend(0, 0, ())
    return search.labels


def k_best(scores: Sequence[Sequence[float]], k: int) -> list[tuple[int, ...]]:
    """The `k` choices of one index a row with the highest product of probabilities, best first (exact, Dijkstra order)."""
    if not scores:
        return [()]
    ranked = [sorted(range(len(row)), key=lambda at, row=row: -row[at]) for row in scores]  # type: ignore[misc]
    costs = [[-log(max(row[at], 1e-12)) for at in order] for row, order in zip(scores, ranked, strict=True)]
    # Only ranks above zero are kept, as (-row, rank): they sort as the full tuples of ranks would, and thousands of
    # disputed hunks cost no more than a few entries a choice.
    queue: list[tuple[float, _Ranks]] = [(sum(row[0] for row in costs), ())]
    seen: set[_Ranks] = {()}
    best: list[tuple[int, ...]] = []
    while queue and len(best) < k:
        cost, raised = heapq.heappop(queue)
        ranks = {-row: rank for row, rank in raised}
        best.append(tuple(order[ranks.get(row, 0)] for row, order in enumerate(ranked)))
        for row, steps in enumerate(costs):
            rank = ranks.get(row, 0)
            if rank + 1 == len(steps):
                continue
            following = tuple(sorted((ranks | {row: rank + 1}).items()))
            following = tuple((-at, higher) for at, higher in following)
            if following not in seen:
                seen.add(following)
                heapq.heappush(queue, (cost - steps[rank] + steps[rank + 1], following))
    return best


_Ranks = tuple[tuple[int, int], ...]
_Options = list[list[tuple[Pattern | None, list[Hashable]]]]


class _Search:
    """Depth-first search for choices that spell a target; remembers dead ends, so it is linear in hunks x positions."""

    def __init__(self, options: _Options, target: list[Hashable], limit: int) -> None:
        self.options, self.target, self.limit = options, target, limit
        self.labels: list[tuple[Pattern, ...]] = []
        self.dead: set[tuple[int, int]] = set()

    def extend(self, index: int, position: int, chosen: tuple[Pattern, ...]) -> bool:
        """Whether the target from `position` can be spelt by the options from `index`; keeps every way found."""
        if index == len(self.options):
            if position == len(self.target):
                self.labels.append(chosen)
            return position == len(self.target)
        if (index, position) in self.dead:
            return False
        reached = False
        for pattern, piece in self.options[index]:
            end = position + len(piece)
            if len(self.labels) < self.limit and self.target[position:end] == piece:
                following = chosen if pattern is None else (*chosen, pattern)
                reached |= self.extend(index + 1, end, following)
        if not reached:
            self.dead.add((index, position))
        return reached
