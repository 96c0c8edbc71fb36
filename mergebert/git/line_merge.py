"""The line merge of three texts: agreed text and conflicts, exactly as `git merge-file --diff3` has them."""

from __future__ import annotations

from mergebert.errors import GitError, InputError
from mergebert.git.command import merge_of
from mergebert.text.markers import MergedFile, clear_marker_size, parse
from mergebert.text.threeway import ThreeWay


def line_merge(versions: ThreeWay[str]) -> MergedFile:
    """The line merge of `versions`, every conflict with its base.

    Raises InputError where a version is not text, GitError where git is not there.
    """
    size = clear_marker_size(versions)  # so that only real markers are parsed
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
