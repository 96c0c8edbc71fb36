"""The provenance of a merge: its base, the times and authors of its sides, and how each side changed a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, takewhile

from mergebert.example import UNKNOWN_CHANGE, MergeContext, SideChange
from mergebert_data.history.merges import MergeCommit
from mergebert_data.history.messages import branches_of
from mergebert_data.history.plumbing import TreeDiff
from mergebert_data.history.replay import ScratchRepository

# The commits of a side, newest first, among which changes of a file are counted: the first of these stretches that
# holds any. Each commit costs; measured, 3 of 4 files are found in the first and 9 of 10 in both.
NEWEST = (16, 64)
REMEMBERED, SMALL = 1_000, 100  # commits, and the paths of one: what bounds the memory it takes
_RANGES = 500  # in one process
_AUTHOR = re.compile(rb"^author .*<([^<>\n]*)> (-?\d{1,18})(?!\d)", re.MULTILINE)  # a time that fits 64 bits

UNRELATED = "merge: no common ancestor"
UNREADABLE = "merge: a commit is missing or damaged"
Sides = tuple[list[str], list[str]]
Changes = Mapping[str, tuple[SideChange, SideChange]]


@dataclass(frozen=True, slots=True)
class Provenance:
    """The base and the context of a merge, and how ours and theirs changed each path."""

    base: str
    context: MergeContext
    changes: Changes

    def change(self, path: str) -> tuple[SideChange, SideChange]:
        """How ours and theirs changed a path."""
        return self.changes.get(path, (UNKNOWN_CHANGE, UNKNOWN_CHANGE))


@dataclass(frozen=True, slots=True)
class Author:
    """The address of the author of a commit, and its time."""

    address: str
    time: int


@dataclass(slots=True)
class ProvenanceReader:
    """Reads the provenance of merges of one repository."""

    scratch: ScratchRepository
    bases: dict[MergeCommit, str | None] = field(default_factory=dict)
    _remembered: dict[str, TreeDiff | None] = field(default_factory=dict)

    def expect(self, merges: Iterable[MergeCommit]) -> None:
        """Reads the bases of merges ahead, all in one process."""
        wanted = list(dict.fromkeys(merge for merge in merges if merge not in self.bases))
        for start in range(0, len(wanted), _RANGES):
            part = wanted[start : start + _RANGES]
            ranges = [f"{merge.ours}...{merge.theirs}" for merge in part]
            answer = self.scratch.git_result("rev-parse", *ranges)
            found = _bases(answer.output.decode())
            if answer.status:  # it ends at the first range it cannot read; the others are read one by one
                found = list(takewhile(bool, found))
            self.bases.update(zip(part, found, strict=False))

    def base(self, merge: MergeCommit) -> str | None:
        """The common ancestor that git prints first; None if there is none."""
        if merge not in self.bases:
            self.expect([merge])
        return self.bases.get(merge)

    def of(self, merge: MergeCommit, paths: Sequence[str]) -> tuple[Provenance | None, str]:
        """The provenance of a merge and of these paths in it, or why there is none."""
        base = self.base(merge)
        if base is None:
            is_read = all(self.scratch.contents((merge.ours, merge.theirs), kind="commit"))
            return None, UNRELATED if is_read else UNREADABLE
        names = (merge.commit, merge.ours, merge.theirs, base)
        commits = self.scratch.contents(names, kind="commit")
        authors = [author_of(commit) if commit else None for commit in commits]
        sides = self._sides(merge)
        merger, ours, theirs, root = authors
        if not (merger and ours and theirs and root and sides and commits[0]):
            return None, UNREADABLE
        ours_branch, theirs_branch = branches_of(message_of(commits[0]))
        context = MergeContext(
            ours.time, theirs.time, root.time, merger.time,
            len(sides[0]), len(sides[1]), ours.address == merger.address, theirs.address == merger.address,
            ours_branch, theirs_branch,
        )  # fmt: skip
        return Provenance(base, context, self._changes(sides, paths, merger)), ""

    def _sides(self, merge: MergeCommit) -> Sides | None:
        """The commits of ours and of theirs since the base, newest first."""
        answer = self.scratch.git_result("rev-list", "--left-right", f"{merge.ours}...{merge.theirs}")
        if answer.status:
            return None
        lines = answer.output.decode().split("\n")
        ours, theirs = ([line[1:] for line in lines if line.startswith(mark)] for mark in "<>")
        return ours, theirs

    def _changes(self, sides: Sides, paths: Sequence[str], merger: Author) -> Changes:
        ours, theirs = (self._side_changes(side, set(paths), merger) for side in sides)
        return {path: (ours.get(path, UNKNOWN_CHANGE), theirs.get(path, UNKNOWN_CHANGE)) for path in paths}

    def _side_changes(self, side: Sequence[str], paths: set[str], merger: Author) -> dict[str, SideChange]:
        """How one side changed each path, as far as its newest commits show."""
        found: dict[str, SideChange] = {}
        for start, end in pairwise((0, *NEWEST)):
            part = side[start:end]
            if not part or len(found) == len(paths):
                break
            touched = self._touched(part)
            changes = {path: _side_change(touched, path, merger) for path in paths - found.keys()}
            found |= {path: change for path, change in changes.items() if change != UNKNOWN_CHANGE}
        return found

    def _touched(self, commits: Sequence[str]) -> list[TreeDiff | None]:
        """The changes of each commit; some are remembered, because sides of neighbouring merges share commits."""
        wanted = [commit for commit in commits if commit not in self._remembered]
        fresh = dict(zip(wanted, self.scratch.changes(wanted), strict=True))
        touched = [fresh[commit] if commit in fresh else self._remembered[commit] for commit in commits]
        for commit, diff in fresh.items():
            if diff is None or len(diff.changes) <= SMALL:
                self._remembered[commit] = diff
        while len(self._remembered) > REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        return touched


def author_of(commit: bytes) -> Author | None:
    """The author of a commit object; None if it names none."""
    found = _AUTHOR.search(commit)
    return Author(found[1].decode("utf-8", "replace").lower(), int(found[2])) if found else None


def message_of(commit: bytes) -> str:
    """The message of a commit object, in the encoding it names."""
    head, _, message = commit.partition(b"\n\n")
    encoding = re.search(rb"^encoding ([\w.:-]+)$", head, re.MULTILINE)
    try:
        return message.decode(encoding[1].decode() if encoding else "utf-8", "replace")
    except (LookupError, UnicodeError):
        return message.decode("utf-8", "replace")


def _side_change(commits: Iterable[TreeDiff | None], path: str, merger: Author) -> SideChange:
    found = [commit for commit in commits if commit is not None and path in commit.changes]
    if not found:
        return UNKNOWN_CHANGE
    return SideChange(len(found), found[0].time, found[0].author == merger.address)


def _bases(answer: str) -> list[str | None]:
    """The first base of each range in an answer of `git rev-parse A...B C...D`: two tips, then bases behind a ^."""
    found: list[str | None] = []
    tips = 0
    for line in answer.split("\n"):
        if line.startswith("^"):
            if found[-1] is None:
                found[-1] = line[1:]
        elif line:
            tips += 1
            if tips % 2:
                found.append(None)
    return found
