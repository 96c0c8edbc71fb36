"""Windows of files that both sides changed and git merged without conflict: columns to pretrain on, nothing to resolve.

A window holds what ours, theirs or both changed, with the lines between neighbouring changes, as a conflict would; its
columns are made by the functions that make those of conflicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np

from mergebert.example import FileExample
from mergebert.ranking.columns import Columns, Subwords, encode
from mergebert.ranking.evidence import CONTEXT_LINES, Surroundings
from mergebert.text.align import Change, Hunk, three_way_diff
from mergebert.text.candidates import ConflictDiff
from mergebert.text.languages import Language, language_of
from mergebert.text.markers import Conflict, Markers, lines_of
from mergebert.text.threeway import ThreeWay
from mergebert.training.storage import write_arrays

WINDOWS_A_FILE = 4
NEAR_LINES = 3  # changes no further apart share a window
LONGEST = 4000  # characters of the three sides together; most columns of a longer window would be cut off
_NO_MARKERS = Markers("", "", "", "")


def prepare_clean(examples: Iterable[FileExample], subwords: Subwords, most: int, target: Path) -> int:
    """Writes the columns of at most `most` windows of a repository's clean files, drawn by hash; how many there are."""
    drawn = sorted(
        examples, key=lambda one: sha256(f"{one.merge} {one.path}".encode("utf-8", "replace")).digest()
    )
    rows = list(islice((row for one in drawn for row in columns_of(one, subwords)), most))
    sizes = np.array([len(row.ids) for row in rows], np.int32)
    ids = np.concatenate([np.zeros((0, 3), np.int16), *(row.ids.astype(np.int16) for row in rows)])
    kinds = np.concatenate([np.zeros((0, 3), np.int8), *(row.kinds.astype(np.int8) for row in rows)])
    write_arrays(
        target, {"ids": ids, "ids_sizes": sizes, "kinds": kinds, "kinds_sizes": sizes}, is_compressed=True
    )
    return len(rows)


def columns_of(example: FileExample, subwords: Subwords) -> Iterator[Columns]:
    """The columns of the windows of one file: first of those that both sides changed."""
    language = language_of(example.path)
    found = [
        (diff, around)
        for diff, around in windows(example.stages, language)
        if sum(map(len, diff.conflict.sides)) <= LONGEST
    ]
    found.sort(key=lambda window: not _is_of_both(window[0].conflict.sides))
    for diff, around in found[:WINDOWS_A_FILE]:
        yield encode(diff, around, subwords)


def windows(stages: ThreeWay[str], language: Language) -> Iterator[tuple[ConflictDiff, Surroundings]]:
    """Each window of a file with what stands around it, in order."""
    lines = stages.map(lines_of)
    hunks = three_way_diff(lines).hunks
    for first, last in _together(hunks):
        sides = ThreeWay(
            *(
                "".join(own[before.start : behind.stop])
                for own, before, behind in zip(lines, hunks[first].ranges, hunks[last].ranges, strict=True)
            )
        )
        start, stop = hunks[first].ranges.base.start, hunks[last].ranges.base.stop
        around = Surroundings(
            "".join(lines.base[max(0, start - CONTEXT_LINES) : start]),
            "".join(lines.base[stop : stop + CONTEXT_LINES]),
        )
        yield ConflictDiff(Conflict(sides, _NO_MARKERS), language), around


def _together(hunks: Sequence[Hunk]) -> list[tuple[int, int]]:
    """The first and the last changed hunk of each window."""
    found: list[tuple[int, int]] = []
    for at in [at for at, hunk in enumerate(hunks) if hunk.change is not Change.NONE]:
        between = hunks[found[-1][1] + 1 : at] if found else ()
        if found and sum(len(hunk.ranges.base) for hunk in between) <= NEAR_LINES:
            found[-1] = (found[-1][0], at)
        else:
            found.append((at, at))
    return found


def _is_of_both(sides: ThreeWay[str]) -> bool:
    """Whether ours and theirs both changed the base, and not in the same way."""
    return len({sides.base, sides.ours, sides.theirs}) == 3
