"""Classes of candidates that are the same resolution: they share one probability and are shown as one suggestion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mergebert.text.equivalence import Level, identities
from mergebert.text.lexemes import Kind, Passage
from mergebert.text.threeway import ThreeWay


def classes_of(texts: Sequence[str], passage: Passage) -> tuple[int, ...]:
    """For each text of a conflict the number of its class, counted from 0 in the order in which they first come."""
    numbers: dict[object, int] = {}
    return tuple(numbers.setdefault(identities(text, passage)[Level.ORDER], len(numbers)) for text in texts)


def fullest(texts: Sequence[str], sides: ThreeWay[str], passage: Passage) -> int:
    """Which of some texts that are the same resolution to take: the one that loses fewest changes of comments.

    A comment that one side wrote or rewrote is nothing to a compiler and not nothing to people. Of equals the first.
    """
    if len(texts) == 1:
        return 0
    base, ours, theirs = (_comments(side, passage) for side in sides)
    added, removed = (ours - base) | (theirs - base), (base - ours) | (base - theirs)
    lost = []
    for text in texts:
        found = _comments(text, passage)
        lost.append((added - found).total() + (removed & found).total())
    return min(range(len(texts)), key=lambda at: lost[at])


def _comments(text: str, passage: Passage) -> Counter[str]:
    return Counter(lexeme.text for lexeme in passage.read(text).lexemes if lexeme.kind is Kind.COMMENT)
