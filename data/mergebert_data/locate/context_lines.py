"""What every method of location looks at: the agreed lines of a conflicted file and the lines people committed.

Lines are compared without white space; each text is cut and keyed once and shared by the methods.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mergebert.text.candidates import whitespace_key
from mergebert.text.markers import MergedFile, lines_of

# Lines on either side, unbroken. Measured: without, half of a model's confident "errors" were wrong labels.
CONTEXT = 3
_TELLING = re.compile(r"\w{3}|\w\W+\w")

Span = tuple[int, int]
Keys = list[str]


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


class LineKeys(dict[str, str]):
    """Lines without their white space; each is cut once, and most stand in many candidates."""

    def __missing__(self, line: str) -> str:
        key = self[line] = whitespace_key(line)
        return key

    def of(self, text: str) -> Keys:
        """The lines of `text` without white space."""
        return [self[line] for line in lines_of(text)]


class Lines:
    """The lines of the merged file, and where each stands."""

    def __init__(self, text: str, keys: LineKeys) -> None:
        self.texts = lines_of(text)
        self.keys = [keys[line] for line in self.texts]
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, key in enumerate(self.keys):
            self._places[key].append(place)

    def places_of(self, key: str) -> list[int]:
        """Every place of one line."""
        return self._places.get(key, [])

    def places(self, keys: Sequence[str]) -> Iterator[int]:
        """Every place where `keys` stand one after the other."""
        wanted = list(keys)
        rarest = min(range(len(wanted)), key=lambda at: len(self.places_of(wanted[at])))
        for place in self.places_of(wanted[rarest]):
            start = place - rarest
            if start >= 0 and self.keys[start : start + len(wanted)] == wanted:
                yield start

    def text(self, span: Span) -> str:
        """What people wrote in these lines."""
        return "".join(self.texts[span[0] : span[1]])

    def key(self, span: Span) -> str:
        """The same without white space."""
        return "".join(self.keys[span[0] : span[1]])


def is_telling(key: str) -> bool:
    """Whether a line says something: more than brackets and single letters."""
    return _TELLING.search(key) is not None


def skeleton_of(conflicted: MergedFile, line_keys: LineKeys) -> Skeleton:
    """The agreed lines of a conflicted file and where its conflicts stand among them."""
    keys: Keys = []
    cuts = []
    for part in conflicted.parts:
        if isinstance(part, str):
            keys += line_keys.of(part)
        else:
            cuts.append(len(keys))
    return Skeleton(keys, tuple(cuts))
