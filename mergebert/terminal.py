"""Text for a terminal: made harmless, coloured where that is wanted, and progress where it takes long."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import unified_diff
from threading import Timer
from typing import TextIO

from mergebert.text.markers import lines_of

# Control characters and the marks that reorder a line could make a hostile file look like something else.
_HARMFUL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_COLOURS = {"-": "\x1b[31m", "+": "\x1b[32m", "@": "\x1b[36m"}
_PATIENCE = 2.0  # seconds before progress is worth a line
_STEP = 0.2  # seconds between two updates
_LONGEST_DIFF = 2000  # lines of a side; difflib is quadratic
LONG_DIFF = f"(more than {_LONGEST_DIFF} lines: too many to compare here)"


def visible(text: str) -> str:
    """`text` with every character that could steer a terminal written out."""
    return _HARMFUL.sub(
        lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text
    )


def one_line(text: str) -> str:
    """`text` as one harmless line: a name may hold a line feed."""
    return visible(text).replace("\n", "\\n")


def shown_lines(text: str) -> list[str]:
    """The lines of `text` for people: no newlines, and carriage returns only where the line ends differ."""
    lines = lines_of(text)
    if all(line.endswith("\r\n") for line in lines):
        return [visible(line[:-2]) for line in lines]
    return [visible(line.removesuffix("\n")) for line in lines]


def is_long_diff(before: str, after: str) -> bool:
    """Whether comparing two texts would take too long and too much memory."""
    return max(before.count("\n"), after.count("\n")) > _LONGEST_DIFF


def small_diff(before: str, after: str) -> list[str]:
    """What a side changed, as the lines of a unified diff without its header."""
    if is_long_diff(before, after):
        return [LONG_DIFF]
    old, new = shown_lines(before), shown_lines(after)
    return list(unified_diff(old, new, n=2, lineterm=""))[3:] or (["(unchanged)"] if old else ["(empty)"])


def has_colour(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that wants colour (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def coloured(line: str) -> str:
    """A line of a diff in its colour."""
    colour = _COLOURS.get(line[:1])
    return f"{colour}{line}\x1b[0m" if colour else line


def percent(confidence: float) -> str:
    """A confidence for people; never 100 %, which nothing measured can promise."""
    return f"{min(int(confidence * 100 + 0.5), 99)} %"


@contextmanager
def notice(what: str) -> Iterator[None]:
    """Says on standard error what is being waited for, to people who have waited two seconds."""
    if not sys.stderr.isatty():
        yield
        return
    timer = Timer(_PATIENCE, lambda: print(f"{what} ...", file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Progress:
    """A counter on standard error, for people who have waited two seconds; nothing where nobody watches."""

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self._what = what
        self._stream = stream or sys.stderr
        self._next = time.monotonic() + _PATIENCE
        self._is_watched = self._stream.isatty()
        self._is_shown = False

    def show(self, done: int) -> None:
        """Says how many are done."""
        if not self._is_watched or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _STEP
        self._is_shown = True
        print(f"\r{done} {self._what}", end="", file=self._stream, flush=True)

    def close(self) -> None:
        """Ends the line of the counter."""
        if self._is_shown:
            print(file=self._stream)
