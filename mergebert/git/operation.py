"""The merge, rebase, cherry-pick or revert that is going on in a work tree, and whether a noted one still is."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest
from pathlib import Path

from mergebert.git.command import git_result
from mergebert.git.command_words import command_words
from mergebert.git.picked import picked_name
from mergebert.regular_files import bytes_in
from mergebert.text.threeway import ThreeWay

# The commit that git keeps of each operation while that waits for a person, and what else tells that it does.
_PICKED = {"cherry-pick": "CHERRY_PICK_HEAD", "revert": "REVERT_HEAD"}
_FOLDERS = {"rebase": "rebase-merge", "am": "rebase-apply"}
_REBASED = "REBASE_HEAD"
_MERGED, _SQUASHED, _MESSAGE = "MERGE_HEAD", "SQUASH_MSG", "MERGE_MSG"
_MERGING = frozenset({"merge", *_PICKED})
# Newer versions of git switch by a stash, which they apply with this option.
_SWITCHED = "--label-theirs=local"
_SWITCHING = frozenset({"checkout", "switch"})


class Standing(Enum):
    """Whether an operation goes on; git does not note all of them."""

    GOING_ON = 1
    OVER = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Noted:
    """What git notes of the operations that go on in a work tree: the commits that each brings in, where it has some."""

    folder: Path
    head: str
    commits: Mapping[str, tuple[str, ...]]
    squashed: str  # what is about to be the message of a squashed merge
    has_message: bool  # whether there is one for the next commit
    patch: str  # what `git am` applies

    @property
    def command(self) -> str:
        """The operation that waits for a person; empty where none does."""
        # While a rebase picks a commit, git notes a cherry-pick too.
        is_picking = "rebase" in self.commits and self.commits["rebase"] == self.commits.get("cherry-pick")
        return "rebase" if is_picking else next(iter(self.commits), "")


@dataclass(frozen=True, slots=True)
class Operation:
    """A git command that merges: its name, the commit it merges into, and those it brings in where they are known.

    For `git checkout --merge`, which moves HEAD once it has merged, `head` is the commit that it leaves.
    """

    command: str
    head: str
    theirs: tuple[str, ...] = ()

    def standing(self, noted: Noted) -> Standing:
        """Whether the work tree has left this operation behind: committed, given up, or in another one."""
        if self.head != (_left_by_switching(noted.folder) if self.command in _SWITCHING else noted.head):
            return Standing.OVER
        found = noted.commits.get(self.command)
        if found is not None:
            is_other = self.theirs and found and self.theirs != found
            return Standing.OVER if is_other else Standing.GOING_ON
        if self.command == "merge":
            is_squashed = any(f"commit {commit}" in noted.squashed for commit in self.theirs)
            return Standing.GOING_ON if is_squashed else Standing.OVER
        if self.command in _FOLDERS or _MERGING & noted.commits.keys():
            return Standing.OVER
        # With --no-commit, a message is all that these leave; the others leave nothing.
        return Standing.OVER if self.command in _PICKED and not noted.has_message else Standing.UNKNOWN

    def is_over(self, folder: Path) -> bool:
        """Whether it is known that the work tree at `folder` has left this operation behind."""
        return self.standing(noted_in(folder)) is Standing.OVER

    def is_picked(self, noted: Noted) -> bool:
        """Whether git notes which one commit or patch this operation brings in."""
        is_patch = self.command == "am" and bool(noted.patch)
        return "merge" not in noted.commits and (is_patch or bool(noted.commits.get(self.command)))

    def commits(self, noted: Noted) -> ThreeWay[tuple[str, ...]]:
        """The commits that hold base, ours and theirs while this operation goes on; none where git notes none."""
        if self.command in _SWITCHING:
            return ThreeWay((self.head,), (noted.head,), self.theirs)
        is_merge = self.command == "merge" or (self.command == "rebase" and "merge" in noted.commits)
        theirs = noted.commits.get("merge" if is_merge else self.command, ()) or self.theirs
        if is_merge:
            return ThreeWay(_merge_bases(noted, theirs), (noted.head,), theirs)
        parents = tuple(parent for commit in theirs for parent in _parents(commit, noted.folder))
        if self.command == "revert":
            return ThreeWay(theirs, (noted.head,), parents)
        return ThreeWay(parents, (noted.head,), theirs)


def called_operation(caller: Sequence[str], folder: Path) -> Operation:
    """The operation of the git command of these words, which is at work and has noted nothing yet."""
    command = caller[0] if caller else ""
    theirs: Sequence[str] = ()
    if command == "merge":
        theirs = [name.removeprefix("GITHEAD_") for name in os.environ if name.startswith("GITHEAD_")]
    elif command == "stash":
        theirs = [_stash_of(caller[1:])]
        command = "checkout" if _SWITCHED in caller else command
    elif command in _PICKED and (words := command_words(command, caller[1:])).has("n", "no-commit"):
        theirs = [picked_name(words)]  # which git notes nowhere afterwards
    head, *others = _peeled(["HEAD", *theirs], folder)
    return Operation(command, head, tuple(sorted(filter(None, others))))


def noted_operation(folder: Path) -> Operation:
    """The operation that waits for a person in the work tree at `folder`; its command is empty where none does."""
    noted = noted_in(folder)
    return Operation(noted.command, noted.head, noted.commits.get(noted.command, ()))


def noted_in(folder: Path) -> Noted:
    """What git notes of the operations that go on in the work tree at `folder`."""
    names = [_MERGED, _SQUASHED, _MESSAGE, *_FOLDERS.values()]
    paths = _note_paths(names, folder)
    merged = _text(paths[_MERGED]).split()
    head, rebased, *others = _peeled(["HEAD", _REBASED, *_PICKED.values(), *merged], folder)
    picked = {command: (commit,) for command, commit in zip(_PICKED, others, strict=False) if commit}
    commits: dict[str, tuple[str, ...]] = {}
    if merged:
        commits["merge"] = tuple(sorted(others[len(_PICKED) :]))
    commits |= picked
    for command, name in _FOLDERS.items():
        if paths[name].is_dir():
            commits[command] = (rebased,) if rebased else ()
    patch = _text(paths[_FOLDERS["am"]] / "patch")
    return Noted(folder, head, commits, _text(paths[_SQUASHED]), paths[_MESSAGE].exists(), patch)


def _peeled(names: Sequence[str], folder: Path) -> list[str]:
    """The commit that each name stands for, itself or by an annotated tag; empty where there is none."""
    wanted = "".join(f"{name}^{{commit}}\n" for name in names).encode("utf-8", "surrogateescape")
    _, output, _ = git_result(["cat-file", "--batch-check=%(objectname)"], folder, wanted)
    found = [line for line in output.decode("utf-8", "surrogateescape").split("\n") if line]
    found += [" missing"] * (len(names) - len(found))
    return ["" if line.endswith((" missing", " ambiguous")) else line for line in found]


def _note_paths(names: Sequence[str], folder: Path) -> dict[str, Path]:
    """Where files and folders of git's own folder lie, for the work tree at `folder`; nowhere outside of one."""
    asked = [word for name in names for word in ("--git-path", name)]
    _, output, _ = git_result(["rev-parse", *asked], folder)
    lines = output.decode("utf-8", "surrogateescape").split("\n")[: len(names)]
    return {name: folder / (line or name) for name, line in zip_longest(names, lines, fillvalue="")}


def _text(path: Path) -> str:
    try:
        return bytes_in(path).decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def _stash_of(words: Sequence[str]) -> str:
    """The stash that `git stash WORDS` applies: the last one unless another is named."""
    named = [word for word in words if not word.startswith("-")]
    name = "".join(named[2 if named[:1] == ["branch"] else 1 :][:1])
    return f"stash@{{{name or 0}}}" if not name or name.isdecimal() else name


def _left_by_switching(folder: Path) -> str:
    """The commit that was checked out before the last move of HEAD; empty where that is not known."""
    code, output, _ = git_result(["rev-parse", "--verify", "--quiet", "HEAD@{1}"], folder)
    return output.decode("ascii").strip() if code == 0 else ""


def _merge_bases(noted: Noted, theirs: tuple[str, ...]) -> tuple[str, ...]:
    _, output, _ = git_result(["merge-base", "--all", noted.head, *theirs], noted.folder)
    return tuple(output.decode("ascii").split())


def _parents(commit: str, folder: Path) -> tuple[str, ...]:
    code, output, _ = git_result(["rev-parse", f"{commit}^@"], folder)
    return tuple(output.decode("ascii").split()) if code == 0 else ()
