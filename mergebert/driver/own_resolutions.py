"""What mergebert itself has put into a file of a merge that goes on: no answer of a person, and no evidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mergebert.driver.journal import Entry, damage, entries, journal_folder
from mergebert.git.operation import Standing, noted_in
from mergebert.text.threeway import ThreeWay

BY_HAND = "hand"  # the method of a resolution that a person gave through `solve -i`


def own_resolutions(
    name: str, root: Path, tell: Callable[[str], None], journal: Path | None = None
) -> frozenset[tuple[ThreeWay[str], str]]:
    """The sides and the text of each conflict that was resolved in the path `name` of the work tree at `root`.

    `tell` is told of entries that cannot be read; `journal` is the folder that holds them, where that is known.
    """
    found: set[tuple[ThreeWay[str], str]] = set()
    noted = None
    for entry in entries(journal or journal_folder(root), name):
        if not isinstance(entry, Entry):
            tell(damage(entry))
        elif entry.path == name and entry.work_tree == str(root):
            noted = noted or noted_in(root)
            if entry.operation.standing(noted) is not Standing.OVER:
                found.update((one.sides, one.after) for one in entry.changes if one.method != BY_HAND)
    return frozenset(found)
