"""What `solve` put into a file of the work tree, noted in the journal of the repository."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING

from mergebert.commands.workfile import WorkFile
from mergebert.driver.journal import SOLVE, AppliedResolution, Entry, journal_folder, new_id, now, write_entry
from mergebert.driver.own_resolutions import BY_HAND
from mergebert.git.operation import noted_operation
from mergebert.text.conflicted_text import OpenConflict

if TYPE_CHECKING:
    from mergebert.ranking.resolution import Resolution


def note_solved(
    file: WorkFile,
    result: str,
    texts: Mapping[int, str],
    how: Mapping[int, Resolution],
    by_hand: Container[int],
) -> str:
    """The id of the entry for a file that now holds `result`: for each conflict its text, and whence that came.

    Empty outside of repositories and where it could not be noted.
    """
    if file.index is None:
        return ""
    root = file.index.root
    resolved = [one for one in file.text.open_conflicts if one.index in texts]
    entry = Entry(
        id=new_id(),
        time=now(),
        by=SOLVE,
        operation=noted_operation(root),
        work_tree=str(root),
        path=file.index.name,
        conflicts=len(file.text.open_conflicts),
        changes=tuple(
            _applied(one, texts[one.index], None if one.index in by_hand else how.get(one.index))
            for one in resolved
        ),
        stages=file.text.stages,
        strategy=(),
        marker_size=0,
        line_merge=file.content.decode("utf-8", "surrogateescape"),
        result=result,
    )
    try:
        write_entry(entry, journal_folder(root))
    except OSError:
        return ""
    return entry.id


def _applied(one: OpenConflict, text: str, how: Resolution | None) -> AppliedResolution:
    sides, before, after = one.conflict.sides, str(one.conflict), one.ended(text)
    if how is None:
        return AppliedResolution(one.index, sides, before, after, BY_HAND, BY_HAND, 1.0)
    return AppliedResolution(one.index, sides, before, after, how.pattern, how.method, float(how.confidence))
