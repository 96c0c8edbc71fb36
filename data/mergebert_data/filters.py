"""What is not worth an example, and why: every drop has a name and is counted under it."""

from __future__ import annotations

import re

from mergebert.languages import Language
from mergebert.markers import MergedFile, has_markers

LARGEST_FILE = 1_000_000  # bytes
MOST_CONFLICTS = 200  # in one file
LONGEST_LINE = 5_000  # on average nothing a person writes; minified or packed

_GENERATED_PATH = re.compile(
    r"(\.min\.(js|css)|\.bundle\.js|\.pb(\.gw)?\.go|_pb2(_grpc)?\.pyi?|\.g\.cs|\.designer\.cs|\.d\.ts\.map|[-_]lock\.\w+)$"
    r"|(^|/)(node_modules|vendor|third_party|dist|bower_components)/",
    re.IGNORECASE,
)
_GENERATED_TEXT = re.compile(r"code generated .*do not edit|@generated\b|<auto-?generated", re.IGNORECASE)
_SEPARATOR = re.compile(r"^={7}\r?$", re.MULTILINE)


def path_drop(path: str, language: Language) -> str | None:
    """Why a path is not mined; None if it is."""
    if language.grammar is None:
        return "not a programming language"
    if "\n" in path or not path.isprintable():
        return "unprintable path"
    return "generated or vendored file" if _GENERATED_PATH.search(path) else None


def text_of(content: bytes) -> tuple[str, str | None]:
    """The text of a file and None, or nothing and why it has none."""
    if len(content) > LARGEST_FILE:
        return "", "too large"
    if b"\0" in content:
        return "", "binary"
    try:
        return content.decode("utf-8"), None
    except UnicodeDecodeError:
        return "", "not UTF-8"


def stage_drop(text: str) -> str | None:
    """Why a version that went into the merge is not mined; None if it is."""
    if has_markers(text):
        return "conflict markers in an input"
    if _GENERATED_TEXT.search(text, 0, 2_000):
        return "generated or vendored file"
    return "generated or vendored file" if _has_packed_line(text) else None


def cut_drop(cut: MergedFile) -> str | None:
    """Why a file's conflicts are not mined; None if they are."""
    count = len(cut.conflicts)
    if not count:
        return "no conflict when cut by lines"
    if any(not conflict.has_base or _SEPARATOR.search(conflict.sides.theirs) for conflict in cut.conflicts):
        return "a line of code that reads as a marker"
    return "too many conflicts" if count > MOST_CONFLICTS else None


def _has_packed_line(text: str) -> bool:
    return len(text) > LONGEST_LINE and max(map(len, text.split("\n"))) > LONGEST_LINE
