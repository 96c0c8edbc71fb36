"""What every method of location reads: the context lines of a conflicted file and the lines of the merged file.

Lines are compared without white space, by keys that are made once and shared by the methods.
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
_WORDS = re.compile(r"\w{3}|\w\W+\w")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ContextLines:
    """The lines of a conflicted file outside its conflicts and, for each conflict, how many of them stand before it."""

    keys: list[str]
    positions: tuple[int, ...]

    def before(self, conflict: int) -> int:
        """Where the lines between the previous conflict and this one begin."""
        return self.positions[conflict - 1] if conflict else 0

    def after(self, conflict: int) -> int:
        """Where the lines between this conflict and the next one end."""
        return self.positions[conflict + 1] if conflict + 1 < len(self.positions) else len(self.keys)

    def is_close(self, conflict: int) -> bool:
        """Whether fewer than CONTEXT lines stand between the previous conflict and this one."""
        return conflict > 0 and self.positions[conflict] - self.positions[conflict - 1] < CONTEXT


class LineKeys(dict[str, str]):
    """Each line without its white space, computed once: most lines stand in many candidates."""

    def __missing__(self, line: str) -> str:
        key = self[line] = whitespace_key(line)
        return key

    def of(self, text: str) -> list[str]:
        """The lines of `text` without white space."""
        return [self[line] for line in lines_of(text)]


class Lines:
    """The lines of the merged file, and where each of them stands."""

    def __init__(self, text: str, keys: LineKeys) -> None:
        self.texts = lines_of(text)
        self.keys = [keys[line] for line in self.texts]
        self._numbers: dict[str, list[int]] = defaultdict(list)
        for number, key in enumerate(self.keys):
            self._numbers[key].append(number)

    def numbers_of(self, key: str) -> list[int]:
        """The numbers of the lines with this key."""
        return self._numbers.get(key, [])

    def starts(self, keys: Sequence[str]) -> Iterator[int]:
        """The line numbers at which this run of keys begins."""
        wanted = list(keys)
        rarest = min(range(len(wanted)), key=lambda at: len(self.numbers_of(wanted[at])))
        for number in self.numbers_of(wanted[rarest]):
            start = number - rarest
            if start >= 0 and self.keys[start : start + len(wanted)] == wanted:
                yield start

    def text(self, span: Span) -> str:
        """The text of these lines."""
        return "".join(self.texts[span[0] : span[1]])

    def key(self, span: Span) -> str:
        """The text of these lines without white space."""
        return "".join(self.keys[span[0] : span[1]])


def has_words(key: str) -> bool:
    """Whether a line has a word of three letters or two words: more than brackets and single letters."""
    return _WORDS.search(key) is not None


def context_lines_of(conflicted: MergedFile, line_keys: LineKeys) -> ContextLines:
    """The lines of a conflicted file outside its conflicts, and where its conflicts stand among them."""
    keys: list[str] = []
    positions = []
    for part in conflicted.parts:
        if isinstance(part, str):
            keys += line_keys.of(part)
        else:
            positions.append(len(keys))
    return ContextLines(keys, tuple(positions))
