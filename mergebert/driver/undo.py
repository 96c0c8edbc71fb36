"""Conflicts put back as git had left them: into the file, and into the index, where `git commit` looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mergebert.atomic import write_atomically
from mergebert.driver.journal import SOLVE, Entry, encoded, find_entry, journal_folder
from mergebert.errors import InputError, MergebertError
from mergebert.git.index_stages import repository_root
from mergebert.git.line_merge import line_merge
from mergebert.git.merge_options import MergeOptions
from mergebert.git.work_tree import is_unmerged, restore_stages, work_tree_form
from mergebert.text.conflicted_text import ConflictedText
from mergebert.text.markers import parse
from mergebert.text.reconcile import reconciled, unreconciled


def undo(identifier: str, start: Path, conflict: int | None = None) -> Path:
    """Puts the conflicts of an entry back, or the one of this index, and gives the file they stand in.

    Raises InputError, changing nothing, where that merge is over, where it belongs to another work tree, and where
    the file is no longer what was written: somebody's work is in it.
    """
    entry, stored_at = find_entry(identifier, journal_folder(start))
    path = _file_of(entry, start)
    root = Path(entry.work_tree)
    rest = _without(entry, conflict)
    if path.read_bytes() != _form(entry, entry.result, root):
        raise InputError(f"{path} has changed since mergebert wrote it; nothing was undone.")
    if entry.by != SOLVE and entry.stages is not None and not is_unmerged(entry.path, root):
        # Before the file: an index without the conflict would let `git commit -a` commit the markers.
        restore_stages(entry.path, entry.stages.map(_encoded), root)
    write_atomically(str(path), _form(entry, rest.result, root))
    write_atomically(str(stored_at), encoded(rest))
    return path


def _file_of(entry: Entry, start: Path) -> Path:
    """The file of an entry whose merge is still going on in the work tree around `start`."""
    if not entry.work_tree:
        raise InputError("git did not ask for this merge; nothing was undone.")
    root = repository_root(start)
    if root is None or root.resolve() != Path(entry.work_tree).resolve():
        raise InputError(f"This merge belongs to {entry.work_tree}; go there to undo it.")
    if not entry.changes:
        raise InputError(f"{entry.id} was undone already.")
    path = root / entry.path
    if entry.operation.is_over(root):
        name = entry.operation.command or "merge"
        raise InputError(f"The {name} in which {path} was resolved is over; nothing was undone.")
    if not path.is_file():
        raise InputError(f"{path} is not there any more; nothing was undone.")
    return path


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
