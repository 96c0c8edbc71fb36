"""A sample, the same for a seed, of the files that both sides changed and git merged without a conflict."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mergebert.text.threeway import ThreeWay
from mergebert_data.dataset.seeded_draw import draw
from mergebert_data.history.merges import MergeCommit
from mergebert_data.history.plumbing import TreeDiff
from mergebert_data.history.replay import FILE_MODES, ConflictedFile, ScratchRepository, Stage

# One in so many merges gives clean files; where conflicts are mined the base is known already and more are affordable.
# Measured over twenty repositories: about one clean file for four in conflict.
ONE_IN_CONFLICTED, ONE_IN_OTHERS = 6, 25
MOST_FILES = 4  # of one merge

_TREE = re.compile(rb"tree ([0-9a-f]+)\n")


def is_drawn(seed: int, merge: MergeCommit, is_conflicted: bool) -> bool:
    """Whether clean files of this merge are in the sample."""
    return draw(seed, merge.commit) % (ONE_IN_CONFLICTED if is_conflicted else ONE_IN_OTHERS) == 0


def clean_files(scratch: ScratchRepository, merge: MergeCommit, base: str) -> list[ConflictedFile]:
    """The regular files that both sides changed since `base`, to different texts."""
    commits = scratch.contents((base, merge.ours, merge.theirs), kind="commit")
    trees = [_TREE.match(commit or b"") for commit in commits]
    root, *sides = [tree[1].decode() if tree else "" for tree in trees]
    if not root or not all(sides):
        return []
    ours, theirs = (_versions(diff) for diff in scratch.changes([f"{root} {side}" for side in sides]))
    return [
        ConflictedFile(path, ThreeWay(old, new, theirs[path][1]))
        for path, (old, new) in ours.items()
        if path in theirs and new.blob != theirs[path][1].blob
    ]


def in_drawn_order(files: Iterable[ConflictedFile], seed: int, merge: MergeCommit) -> list[ConflictedFile]:
    """The files of a merge, shuffled by seed."""
    return sorted(files, key=lambda file: draw(seed, f"{merge.commit} {file.path}"))


def _versions(diff: TreeDiff | None) -> dict[str, tuple[Stage, Stage]]:
    """The old and the new version of each file that was and is a regular one."""
    found = {}
    for path, change in (diff.changes if diff else {}).items():
        old_mode, new_mode, old, new, _ = change.split(" ")
        if old_mode in FILE_MODES and new_mode in FILE_MODES:
            found[path] = Stage(old_mode, old), Stage(new_mode, new)
    return found
