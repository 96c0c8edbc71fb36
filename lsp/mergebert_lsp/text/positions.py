"""Characters of a text as positions of the protocol, and back: the only place that knows encodings."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property

from lsprotocol.types import Position, PositionEncodingKind, Range

_LINE_END = re.compile(r"\r\n|\n|\r")
_UNIT = {PositionEncodingKind.Utf8.value: ("utf-8", 1), PositionEncodingKind.Utf16.value: ("utf-16-le", 2)}


class Positions:
    """The lines of one text, in the position encoding that was agreed with the client."""

    def __init__(self, text: str, encoding: str) -> None:
        self._text = text
        self._unit = _UNIT.get(encoding)  # None: a unit is a character, as in UTF-32

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in _LINE_END.finditer(self._text))]

    def position(self, offset: int) -> Position:
        """The position before the character at `offset`."""
        line = bisect_right(self._starts, offset) - 1
        return Position(line, self._units(self._text[self._starts[line] : offset]))

    def offset(self, position: Position) -> int:
        """The character that stands at a position; what lies beyond a line or the text is taken to be its end."""
        if position.line >= len(self._starts):
            return len(self._text)
        start = self._starts[position.line]
        return start + self._characters(self._line(position.line), position.character)

    def offsets(self, span: Range) -> tuple[int, int]:
        """The characters between which a range stands."""
        return self.offset(span.start), self.offset(span.end)

    def range(self, start: int, end: int) -> Range:
        """The range between two characters."""
        return Range(self.position(start), self.position(end))

    def line_range(self, offset: int) -> Range:
        """The line that a character stands in, without its end."""
        line = bisect_right(self._starts, offset) - 1
        return Range(Position(line, 0), Position(line, self._units(self._line(line))))

    def _line(self, line: int) -> str:
        start = self._starts[line]
        end = self._starts[line + 1] if line + 1 < len(self._starts) else len(self._text)
        return self._text[start:end].rstrip("\r\n")

    def _units(self, text: str) -> int:
        if self._unit is None or text.isascii():
            return len(text)
        encoding, size = self._unit
        return len(text.encode(encoding, "surrogatepass")) // size

    def _characters(self, line: str, units: int) -> int:
        if self._unit is None or line.isascii():
            return min(units, len(line))
        counted = 0
        for at, letter in enumerate(line):
            counted += self._units(letter)
            if counted > units:  # a position inside a character is before it
                return at
        return len(line)
