"""What history tells of the merge that is made, or waits, in a work tree; nothing where that is no merge of two commits."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mergebert.errors import GitError
from mergebert.git.merge_history import Git, Merger, git_in, merge_history
from mergebert.git.merge_messages import branches_of
from mergebert.git.notes import note_path
from mergebert.git.operation import Operation, called_operation, noted_operation
from mergebert.git.picked import commit_at_hand
from mergebert.regular_files import bytes_in
from mergebert.text.history import UNKNOWN_MERGE, MergeHistory

# Of a revert the two sides are no branches: theirs is what stood before.
_UNKNOWN = frozenset(
    {"", "am", "apply", "checkout", "notes", "rerere", "restore", "revert", "stash", "switch"}
)
_LONGEST_MESSAGE = 100_000  # bytes
_ADDRESS = re.compile(r"<([^<>]*)> \d+ [+-]\d+\s*$")


def history_of(
    operation: Operation, root: Path, paths: Sequence[str], theirs_branch: str | None = None
) -> MergeHistory:
    """What history tells of an operation and of these paths in it."""
    if operation.command in _UNKNOWN or not operation.head or len(operation.theirs) != 1:
        return UNKNOWN_MERGE
    git = git_in(root)
    merger = Merger(_address(git), int(time.time()), (None, theirs_branch))
    return merge_history(git, operation.head, operation.theirs[0], merger, paths)


def history_of_called(caller: Sequence[str], root: Path, paths: Sequence[str]) -> MergeHistory:
    """The same of what a git command of these words is merging."""
    operation = called_operation(caller, root)
    if not operation.theirs:
        picked = commit_at_hand(caller)
        operation = replace(operation, theirs=(picked,) if picked else ())
    branch = next((os.environ.get(f"GITHEAD_{commit}") for commit in operation.theirs), None)
    return history_of(operation, root, paths, branch)


def history_of_commits(repository: Path, ours: str, theirs: str, paths: Sequence[str]) -> MergeHistory:
    """What history tells of a merge of two commits, whoever makes it."""
    return merge_history(git_in(repository), ours, theirs, Merger(None, None), paths)


def history_of_waiting(root: Path, paths: Sequence[str]) -> MergeHistory:
    """The same of the operation that waits for a person in the work tree at `root`."""
    try:
        operation = noted_operation(root)
    except GitError:
        return UNKNOWN_MERGE
    return history_of(operation, root, paths, _merged_branch(root))


def _address(git: Git) -> str | None:
    """The address of the person who merges, None where git knows none."""
    found = _ADDRESS.search((git(["var", "GIT_COMMITTER_IDENT"], None) or b"").decode("utf-8", "replace"))
    return found[1] if found else None


def _merged_branch(root: Path) -> str | None:
    """The branch that the message of the next commit names as merged."""
    try:
        message = bytes_in(Path(note_path("MERGE_MSG", str(root))), _LONGEST_MESSAGE)
    except OSError:
        return None
    return branches_of(message.decode("utf-8", "replace"))[1]
