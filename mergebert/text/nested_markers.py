"""Markers inside the base of a conflict: git leaves them where it had to merge several merge bases first."""

from __future__ import annotations

from mergebert.text.marker_lines import marker_lines
from mergebert.text.markers import Conflict, has_markers
from mergebert.text.threeway import ThreeWay


def nests(text: str, sides: ThreeWay[str]) -> bool:
    """Whether `text`, offered for a conflict of these sides, brings back markers in the base that no side has kept."""
    if not has_markers(sides.base):
        return False
    kept = _markers(sides.ours, "<|=>") | _markers(sides.theirs, "<|=>")
    if _markers(sides.base, "<>") & kept:
        return False
    return bool(
        _markers(sides.base, "<|=>") & _markers(text, "<|=>") - kept
    )  # a side may underline a heading


def has_written_base(conflict: Conflict) -> bool:
    """Whether a conflict shows what the base held, and that is text which somebody has written."""
    return conflict.has_base and not nests(conflict.sides.base, conflict.sides)


def _markers(text: str, marks: str) -> frozenset[str]:
    """The lines of `text` that read as such markers, without what ends them."""
    return frozenset(line.of(text).rstrip("\r\n") for line in marker_lines(text, None) if line.mark in marks)
