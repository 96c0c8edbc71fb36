"""Random merges of one file: few different lines, so that they repeat, and all that makes line merges differ."""

from __future__ import annotations

from random import Random

from mergebert.text.threeway import ThreeWay

_ALPHABETS = (
    ("a", "b", "c"),
    ("a", "b", "c", "d", "e", "", "}", "  }", "{"),
    ("", "}", "x", "{ y", " x", "x ", "\tx"),
)
_NEW_LINES = ("a", "b", "q", "", "}", "x", " x", "x  ")
_LIKE_MARKERS = ("=======", "<<<<<<< z", "=========", "|||||||")


def random_merge(draw: Random) -> ThreeWay[bytes]:
    """Base, ours and theirs; now and then with CRLF, without a final newline, or with lines that look like markers."""
    base = [draw.choice(draw.choice(_ALPHABETS)) for _ in range(draw.randint(0, 14))]
    new = _NEW_LINES + (_LIKE_MARKERS if draw.random() < 0.1 else ())
    return ThreeWay(
        *(_text(draw, lines) for lines in (base, _edited(draw, base, new), _edited(draw, base, new)))
    )


def _edited(draw: Random, lines: list[str], new: tuple[str, ...]) -> list[str]:
    edited = list(lines)
    for _ in range(draw.randint(0, 4)):
        place, kind = draw.randint(0, len(edited)), draw.random()
        if kind < 0.4:
            edited.insert(place, draw.choice(new))
        elif edited[place : place + 1]:
            edited[place : place + 1] = [] if kind < 0.7 else [draw.choice(new)]
    return edited


def _text(draw: Random, lines: list[str]) -> bytes:
    newline = "\r\n" if draw.random() < 0.08 else "\n"
    last = newline if lines and draw.random() > 0.1 else ""
    return (newline.join(lines) + last).encode()
