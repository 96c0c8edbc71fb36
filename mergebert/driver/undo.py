"""Conflicts put back as git had left them: into the file, and into the index, where `git commit` looks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mergebert.atomic import replace_file, write_atomically
from mergebert.driver.journal import SOLVE, Entry, encoded, find_entry, journal_folder
from mergebert.errors import InputError, MergebertError
from mergebert.git.commit_versions import commit_versions
from mergebert.git.index_stages import repository_root
from mergebert.git.line_merge import line_merge
from mergebert.git.merge_options import MergeOptions
from mergebert.git.operation import Noted, Standing, noted_in
from mergebert.git.work_tree import (
    index_entries,
    is_as_committed,
    is_unmerged,
    put_into_index,
    work_tree_form,
)
from mergebert.regular_files import bytes_in
from mergebert.text.conflicted_text import ConflictedText
from mergebert.text.markers import parse
from mergebert.text.reconcile import reconciled, unreconciled


def undo(identifier: str, start: Path, conflict: int | None = None) -> Path:
    """Puts the conflicts of an entry back, or the one of this index, and gives the file they stand in.

    Raises InputError, changing nothing, where that merge is over, where it belongs to another work tree, and where
    the file is no longer what was written: somebody's work is in it.
    """
    entry, stored_at = find_entry(identifier, journal_folder(start))
    noted = noted_in(_root_of(entry, start))
    root = noted.folder
    path = _file_of(entry, noted)
    rest = _without(entry, conflict)
    if bytes_in(path) != _form(entry, entry.result, root):
        raise InputError(f"{path} has changed since mergebert wrote it; nothing was undone.")
    stages = _stages(entry, noted)
    before = index_entries(entry.path, root)
    if stages:
        # Before the file: an index without the conflict would let `git commit -a` commit the markers.
        put_into_index(entry.path, stages, root)
    try:
        replace_file(str(path), _form(entry, rest.result, root))
    except OSError as error:
        if stages:
            put_into_index(entry.path, before, root)
        raise InputError(f"{path} cannot be written: {error.strerror}; nothing was undone.") from error
    write_atomically(str(stored_at), encoded(rest))
    return path


def _root_of(entry: Entry, start: Path) -> Path:
    """The work tree around `start`, which an entry with something to undo belongs to."""
    if not entry.work_tree:
        raise InputError("git did not ask for this merge; nothing was undone.")
    root = repository_root(start)
    if root is None or root.resolve() != Path(entry.work_tree).resolve():
        raise InputError(f"This merge belongs to {entry.work_tree}; go there to undo it.")
    if not entry.changes:
        raise InputError(f"{entry.id} was undone already.")
    return root


def _file_of(entry: Entry, noted: Noted) -> Path:
    """The file of an entry whose merge is still going on."""
    path = noted.folder / entry.path
    name = entry.operation.command or "merge"
    standing = entry.operation.standing(noted)
    if standing is Standing.OVER:
        raise _over(entry, path)
    if standing is Standing.UNKNOWN and is_as_committed(entry.path, noted.folder):
        raise InputError(
            f"{path} is as it was committed, and git does not note whether a {name} is over; nothing was undone."
        )
    if path.resolve() != noted.folder.resolve() / entry.path:
        raise InputError(f"{path} is reached by a symbolic link, which is not followed; nothing was undone.")
    if not os.path.isfile(path):  # a name too long is that of no file
        raise InputError(f"{path} is not there any more; nothing was undone.")
    return path


def _over(entry: Entry, path: Path) -> InputError:
    name = entry.operation.command or "merge"
    return InputError(f"The {name} in which {path} was resolved is over; nothing was undone.")


def _stages(entry: Entry, noted: Noted) -> bytes:
    """What the index has to hold for the conflict to be there again; empty where it is, or was never taken away."""
    if entry.by == SOLVE or entry.stages is None or is_unmerged(entry.path, noted.folder):
        return b""
    texts = entry.stages.map(_encoded)
    versions = commit_versions(entry.path, texts, entry.operation, noted)
    if entry.operation.is_picked(noted) and not all(
        one is None or one.is_found for one in (versions.base, versions.theirs)
    ):
        raise _over(entry, noted.folder / entry.path)  # another commit is picked onto the same one
    lines = [f"{one.mode} {one.blob} {stage}\t{entry.path}\0" for stage, one in enumerate(versions, 1) if one]
    return "".join(lines).encode("utf-8", "surrogateescape")


def _without(entry: Entry, conflict: int | None) -> Entry:
    """The entry once its conflicts, or this one of them, are not resolved."""
    if conflict is None:
        return replace(entry, changes=(), result=entry.line_merge)
    rest = tuple(one for one in entry.changes if one.index != conflict)
    if len(rest) == len(entry.changes):
        raise InputError(
            f"Conflict {conflict + 1} is not among those resolved in {entry.id}; nothing was undone."
        )
    if not rest:
        return replace(entry, changes=(), result=entry.line_merge)
    return replace(entry, changes=rest, result=_resolved(entry, {one.index: one.after for one in rest}))


def _resolved(entry: Entry, texts: Mapping[int, str]) -> str:
    """What the file held before, with the conflicts in `texts` resolved."""
    try:
        before = parse(entry.line_merge, entry.marker_size or None)
        if entry.stages is None:
            parts = unreconciled(before.parts)
        else:
            options = MergeOptions().with_strategy_options(entry.strategy)
            parts = reconciled(before, line_merge(entry.stages, options))
    except MergebertError as error:
        raise InputError(f"{entry.path} cannot be taken apart again; undo all of its conflicts.") from error
    text, done = ConflictedText(entry.path, parts, entry.stages).resolved(texts)
    if done != texts.keys():
        raise InputError(f"The conflicts of {entry.path} depend on each other; undo all of them.")
    return text


def _form(entry: Entry, text: str, root: Path) -> bytes:
    """A text of the entry as it stands in the work tree."""
    content = _encoded(text)
    return content if entry.by == SOLVE else work_tree_form(content, entry.path, root)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
