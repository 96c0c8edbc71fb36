"""The line merge of three texts: agreed text and conflicts, exactly as `git merge-file --diff3` has them."""

from __future__ import annotations

import re

from mergebert.errors import GitError, InputError
from mergebert.git.command import merge_of
from mergebert.text.markers import DEFAULT_MARKER_SIZE, MergedFile, parse
from mergebert.text.threeway import ThreeWay

_MARKER_LIKE = re.compile(r"^(?:<{7,}|\|{7,}|={7,}|>{7,})", re.MULTILINE)


def line_merge(versions: ThreeWay[str]) -> MergedFile:
    """The line merge of `versions`, every conflict with its base.

    Raises InputError where a version is not text, GitError where git is not there.
    """
    size = _marker_size(versions)
    try:
        content = merge_of(versions.map(_encoded), ("base", "ours", "theirs"), size)
    except FileNotFoundError as error:
        raise GitError("git is not installed, or not on the PATH.") from error
    return parse(content.decode("utf-8", "surrogateescape"), size)


def _encoded(text: str) -> bytes:
    """The bytes `text` was decoded from."""
    if "\0" in text:
        raise InputError("A version holds a NUL byte and is binary; choose one by hand.")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InputError("A version holds a lone surrogate; give Unicode text.") from error


def _marker_size(versions: ThreeWay[str]) -> int:
    """Longer than anything in the texts that looks like a marker, so that only real ones are parsed."""
    longest = max((len(found) for text in versions for found in _MARKER_LIKE.findall(text)), default=0)
    return max(DEFAULT_MARKER_SIZE, longest + 1)
