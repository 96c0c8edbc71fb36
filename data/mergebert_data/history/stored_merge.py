"""The line merge of three versions in the form in which a dataset stores it."""

from __future__ import annotations

from mergebert.git.byte_merge import byte_merge
from mergebert.git.merge_options import DIFF3, MergeOptions
from mergebert.text.markers import DEFAULT_MARKER_SIZE
from mergebert.text.threeway import ThreeWay

_LABELS = ("base", "ours", "theirs")


def stored_merge(versions: ThreeWay[str]) -> str | None:
    """git's merge of `versions`, conflicts in the diff3 style between markers of git's default size; None if git refuses."""
    base, ours, theirs = (text.encode("utf-8", "surrogateescape") for text in versions)
    merged = byte_merge((base, ours, theirs), MergeOptions(style=DIFF3))
    return (
        None
        if merged is None
        else merged.marked(_LABELS, DEFAULT_MARKER_SIZE).decode("utf-8", "surrogateescape")
    )
