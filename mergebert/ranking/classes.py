"""Classes of candidates that are the same resolution: they share one probability and are shown as one suggestion."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from mergebert.text.equivalence import Level, identities
from mergebert.text.lexemes import Kind, Passage
from mergebert.text.threeway import ThreeWay

_MAY_BE_COMMENT = re.compile(r"//|/\*|\*/|[#\\]|<!--|-->|=begin|__END__|<[%?]|[%?]>")


def classes_of(texts: Sequence[str], passage: Passage) -> tuple[int, ...]:
    """For each text of a conflict the number of its class, counted from 0 in the order in which they first come."""
    numbers: dict[object, int] = {}
    keys = _letters(texts, passage)
    times = Counter(keys)
    return tuple(
        numbers.setdefault(
            key if key and times[key] == 1 else identities(text, passage)[Level.ORDER], len(numbers)
        )
        for text, key in zip(texts, keys, strict=True)
    )


def _letters(texts: Sequence[str], passage: Passage) -> list[str]:
    """What the same resolutions have in common and is soon found: their letters in order, but for white space and commas.

    Empty where something may be a comment, of which the same resolutions may have others.
    """
    if passage.opened or any(map(_MAY_BE_COMMENT.search, texts)):
        return [""] * len(texts)
    return ["".join(sorted("".join(text.split()).replace(",", ""))) for text in texts]


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
