"""The line merge of three texts as git makes it within a merge: agreed text and conflicts, each with its base."""

from __future__ import annotations

from mergebert.errors import GitError, InputError, MissingGitError
from mergebert.git.byte_merge import ByteMerge, byte_merge
from mergebert.git.merge_options import DIFF3, MergeOptions
from mergebert.text.markers import MOST_CONFLICTS, MergedFile, parse
from mergebert.text.threeway import ThreeWay

_LABELS = ("base", "ours", "theirs")


def line_merge(versions: ThreeWay[str], options: MergeOptions | None = None) -> MergedFile:
    """The line merge of `versions` with these options, those of a plain `git merge` where none are given.

    Raises InputError where a version is not text or conflicts are countless, GitError where git is not there or refuses them.
    """
    base, ours, theirs = versions.map(_encoded)
    try:
        merged = byte_merge((base, ours, theirs), (options or MergeOptions()).with_style(DIFF3))
    except FileNotFoundError as error:
        raise MissingGitError from error
    except OSError as error:
        raise GitError(f"git could not merge these texts ({str(error).rstrip(';')}).") from error
    if merged is None:
        raise GitError("git could not merge these texts.")
    return parsed_merge(merged)


def parsed_merge(merged: ByteMerge) -> MergedFile:
    """A line merge as agreed text and conflicts; one that was made without bases has none.

    Raises InputError for more conflicts than anybody could look at.
    """
    if merged.content.count(b"<" * merged.size) > MOST_CONFLICTS:
        raise InputError(f"There are more than {MOST_CONFLICTS} conflicts in one file; resolve it by hand.")
    return parse(merged.marked(_LABELS, merged.size).decode("utf-8", "surrogateescape"), merged.size)


def _encoded(text: str) -> bytes:
    """The bytes `text` was decoded from."""
    if "\0" in text:
        raise InputError("A version holds a NUL byte and is binary; choose one by hand.")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InputError("A version holds a lone surrogate; give Unicode text.") from error
