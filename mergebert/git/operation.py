"""The merge, rebase, cherry-pick or revert that is going on in a work tree, and whether a noted one still is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mergebert.git.command import git_result
from mergebert.git.notes import note_path

# What git keeps in its folder while an operation waits for a person.
_NOTES = {
    "merge": "MERGE_HEAD",
    "cherry-pick": "CHERRY_PICK_HEAD",
    "revert": "REVERT_HEAD",
    "rebase": "rebase-merge",
    "am": "rebase-apply",
}
_SQUASHED = "SQUASH_MSG"  # all that `git merge --squash` leaves


@dataclass(frozen=True, slots=True)
class Operation:
    """A git command that merges: its name, the commit it merges into, and those it brings in where they are known."""

    command: str
    head: str
    theirs: tuple[str, ...] = ()

    def is_over(self, folder: Path) -> bool:
        """Whether the work tree at `folder` has left this operation behind: committed, given up, or in another one."""
        if self.head != head_of(folder):
            return True
        merged = _merge_heads(folder)
        if self.command == "merge" and not merged:
            return _note(_SQUASHED, folder) is None
        return bool(merged) and merged != self.theirs


def called_operation(caller: Sequence[str], folder: Path) -> Operation:
    """The operation of the git command of these words, which is at work and has noted nothing yet."""
    theirs = sorted(name.removeprefix("GITHEAD_") for name in os.environ if name.startswith("GITHEAD_"))
    command = caller[0] if caller else ""
    return Operation(command, head_of(folder), tuple(theirs) if command == "merge" else ())


def noted_operation(folder: Path) -> Operation:
    """The operation that waits for a person in the work tree at `folder`; its command is empty where none does."""
    command = next((name for name, note in _NOTES.items() if _note(note, folder) is not None), "")
    return Operation(command, head_of(folder), _merge_heads(folder))


def head_of(folder: Path) -> str:
    """The commit that is checked out; empty outside of repositories and before the first one."""
    code, output, _ = git_result(["rev-parse", "--verify", "--quiet", "HEAD"], folder)
    return output.decode("ascii").strip() if code == 0 else ""


def _merge_heads(folder: Path) -> tuple[str, ...]:
    note = _note(_NOTES["merge"], folder)
    return tuple(sorted(note.read_text(encoding="ascii").split())) if note else ()


def _note(name: str, folder: Path) -> Path | None:
    """A file or folder that git keeps for the work tree at `folder`, None where it is not there."""
    path = note_path(name, str(folder))
    return Path(path) if path and os.path.exists(path) else None
