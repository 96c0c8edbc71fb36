"""The lines of a text that can be conflict markers, and which of them make one conflict."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

Span = tuple[int, int]  # start and end, in characters

DEFAULT_MARKER_SIZE = 7  # git's own, see gitattributes(5) conflict-marker-size; jj's and fossil's too

# fossil's markers are five fixed strings (mergeMarker in its merge3.c). How long they go on has changed, and newer
# versions add a line number.
_FOSSIL = re.compile(
    r"(?:< BEGIN MERGE CONFLICT: local copy shown first <+"
    r"|# SUGGESTED CONFLICT RESOLUTION follows #+"
    r"|\| COMMON ANCESTOR content follows \|+"
    r"|= MERGED IN content follows =+"
    r"|> END MERGE CONFLICT >+)(?: \(line \d+\))?"
)


@dataclass(frozen=True, slots=True)
class MarkerLine:
    """A line that can be a marker: where it stands, what it is made of, and what stands behind that."""

    start: int
    end: int
    mark: str
    size: int
    label: str
    is_bare: bool  # whether nothing stands behind the mark, not even a space

    def of(self, text: str) -> str:
        """The line itself, with its newline."""
        return text[self.start : self.end]

    def newline(self, text: str) -> str:
        """The newline that such a line ends with, unless the text ends there."""
        return "\r\n" if self.of(text).endswith("\r\n") else "\n"

    @property
    def is_fossil(self) -> bool:
        """Whether this is one of fossil's markers."""
        return self.size == DEFAULT_MARKER_SIZE and _FOSSIL.fullmatch(f"{self.mark} {self.label}") is not None


@dataclass(slots=True)
class MarkerGroup:
    """Markers of one size that belong together, in order: those of a conflict, or what is left of them.

    `reopened` is the first opening marker inside, `is_loose` whether a separator stood before a lone closing marker.
    """

    lines: list[MarkerLine]
    reopened: MarkerLine | None = None
    is_loose: bool = False

    @property
    def is_closed(self) -> bool:
        """Whether the last marker is a closing one."""
        return self.lines[-1].mark == ">"

    @property
    def is_whole(self) -> bool:
        """Whether both the opening and the closing marker are there."""
        return self.is_closed and self.lines[0].mark == "<"

    @property
    def is_decoration(self) -> bool:
        """Whether this is a lone line that a text can hold for its own sake."""
        is_labelled = bool(self.lines[0].label)
        return not (
            self.is_whole or is_labelled or self.is_loose or any(one.mark in "|=" for one in self.lines)
        )

    def takes(self, line: MarkerLine) -> bool:
        """Whether `line` is a marker of this conflict and not text of a version."""
        if self.lines[0].is_fossil:
            return line.is_fossil
        return line.mark in "|=>" or is_jj_section([*self.lines[:2], line])


def marker_groups(text: str, marker_size: int | None = None) -> list[MarkerGroup]:
    """The markers of `text` put together, in order of their first lines; all of `marker_size`, or each of seven or more.

    Lines that a text can hold for their own sake are no markers.
    """
    pairing = _Pairing()
    for line in marker_lines(text, marker_size):
        pairing.take(line)
    found = (group for group in pairing.found() if not group.is_decoration)
    return sorted(found, key=lambda group: group.lines[0].start)


def marker_lines(text: str, marker_size: int | None) -> Iterator[MarkerLine]:
    """The lines of `text` that can be markers, of one size or of each from seven on."""
    least = (marker_size or DEFAULT_MARKER_SIZE) - 1
    # A newline is searched for many times faster than the start of a line.
    pattern = re.compile(rf"\n(([<>|=+%#\\-])\2{{{least},}}+)( [^\n]*)?\r?(?=(\n|\Z))")
    for match in pattern.finditer("\n" + text):
        run, mark, label, newline = match.groups()
        if marker_size in (None, len(run)):
            end = match.end() - 1 + len(newline)
            yield MarkerLine(match.start(), end, mark, len(run), (label or "").strip(), label is None)


def is_jj_section(lines: list[MarkerLine]) -> bool:
    """Whether a section of jj's own styles follows the opening marker at once."""
    return len(lines) > 1 and lines[1].start == lines[0].end and lines[1].mark in "%+-"


class _Pairing:
    """Puts marker lines together; those of one size know nothing of another size.

    git nests conflicts only with longer markers inside, and old versions of it with equal ones in the base.
    """

    def __init__(self) -> None:
        self._closed: list[MarkerGroup] = []
        self._open: dict[int, list[MarkerGroup]] = {}  # of each size; the innermost last
        self._loose: set[int] = set()  # sizes of which a separator stood outside conflicts

    def take(self, line: MarkerLine) -> None:
        """Reads the next marker line."""
        groups = self._open.setdefault(line.size, [])
        if line.mark == "<":
            self._start(line, groups)
        elif not groups:
            self._take_outside(line)
        elif groups[-1].takes(line):
            groups[-1].lines.append(line)
            if line.mark == ">":
                self._closed.append(groups.pop())

    def found(self) -> Iterator[MarkerGroup]:
        """Every group so far, closed or not."""
        yield from self._closed
        for groups in self._open.values():
            yield from groups

    def _start(self, line: MarkerLine, groups: list[MarkerGroup]) -> None:
        self._loose.discard(line.size)
        if groups:
            groups[-1].reopened = groups[-1].reopened or line
            if groups[-1].lines[-1].mark != "|":
                self._closed.append(groups.pop())
        groups.append(MarkerGroup([line]))

    def _take_outside(self, line: MarkerLine) -> None:
        if line.mark == "=":
            self._loose.add(line.size)
        elif line.mark == ">":
            self._closed.append(MarkerGroup([line], is_loose=line.size in self._loose))
            self._loose.discard(line.size)
