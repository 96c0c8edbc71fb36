"""Which files give no example and why: the reasons are what the miner counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mergebert.errors import InputError
from mergebert.text.languages import TEXT, Language, by_name, language_of
from mergebert.text.markers import MergedFile, has_markers, has_separator
from mergebert.text.threeway import ThreeWay
from mergebert_data.history.replay import Stage
from mergebert_data.mine.generated import (
    FLAGS,
    GENERATED,
    is_generated_path,
    is_generated_text,
    is_vendored_path,
)

LARGEST_FILE = 1_000_000  # bytes
MOST_CONFLICTS = 200  # in one file

NO_LANGUAGE = "not a programming language"


def language_at(path: str, attributes: Mapping[str, str]) -> Language:
    """The language of a path by its name, or the one that its git attributes name."""
    name = attributes.get("linguist-language")
    if name is None:
        return language_of(path)
    try:
        return by_name(name.replace("-", " "))
    except InputError:
        return TEXT


def may_be_script(path: str) -> bool:
    """Whether the language of a file shows in its first line alone, because its name has no extension."""
    return "." not in path.rpartition("/")[2]


def path_drop_reason(path: str) -> str | None:
    """Why a path is not mined whatever its language; None if it is."""
    if path.isprintable():
        return None
    return NO_LANGUAGE if language_of(path).grammar is None else "unprintable path"


def stages_drop_reason(stages: ThreeWay[Stage | None]) -> str:
    """Why the versions of a conflicted path are not three regular files."""
    if None in tuple(stages):
        return "added, deleted or renamed on a side"
    return "a symbolic link or submodule on a side"


def path_flags(path: str, attributes: Mapping[str, str]) -> tuple[str, ...]:
    """Why a path would usually be left out: generated or vendored, by its git attributes or else by its name."""
    by_path = (is_generated_path(path), is_vendored_path(path))
    found = zip(FLAGS, by_path, strict=True)
    return tuple(
        flag for flag, is_so in found if attributes.get(f"linguist-{flag}", "true" if is_so else "") == "true"
    )


def text_flags(path: str, texts: Iterable[str], attributes: Mapping[str, str]) -> tuple[str, ...]:
    """Why texts would usually be left out: generated, unless the git attributes of their path deny it."""
    if not any(is_generated_text(path, text) for text in texts):
        return ()
    return () if attributes.get("linguist-generated") == "false" else (GENERATED,)


def text_of(content: bytes) -> tuple[str, str | None]:
    """The text of a file and None, or an empty text and why it has none."""
    if len(content) > LARGEST_FILE:
        return "", "too large"
    if b"\0" in content:
        return "", "binary"
    try:
        return content.decode("utf-8"), None
    except UnicodeDecodeError:
        return "", "not UTF-8"


def is_marked(text: str) -> bool:
    """Whether conflict markers may stand in a text."""
    return ("<<<<<<<" in text or ">>>>>>>" in text) and has_markers(text)


def conflicts_drop_reason(parsed: MergedFile) -> str | None:
    """Why a file's conflicts are not mined; None if they are."""
    count = len(parsed.conflicts)
    if not count:
        return "no conflict when cut by lines"
    if any(not conflict.has_base or has_separator(conflict.sides.theirs) for conflict in parsed.conflicts):
        return "a line of code that reads as a marker"
    return "too many conflicts" if count > MOST_CONFLICTS else None


def clean_drop_reason(parsed: MergedFile, merged: str) -> str | None:
    """Why a file that git merged without a conflict is not kept; None if it is."""
    if parsed.conflicts:
        return "a conflict when cut by lines"
    return "conflict markers in the merge commit" if is_marked(merged) else None
