"""The provenance of a merge: its base, the times and authors of its sides, and what history tells of its files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from mergebert.git.merge_history import Merger, merge_history
from mergebert.git.merge_messages import branches_of
from mergebert.text.history import MergeContext, MergeHistory
from mergebert_data.history.merges import MergeCommit
from mergebert_data.history.replay import ScratchRepository

_RANGES = 500  # in one process
_AUTHOR = re.compile(rb"^author .*<([^<>\n]*)> (-?\d{1,18})(?!\d)", re.MULTILINE)  # a time that fits 64 bits

UNRELATED = "merge: no common ancestor"
UNREADABLE = "merge: a commit is missing or damaged"


@dataclass(frozen=True, slots=True)
class Provenance:
    """The base and the context of a merge, and what history tells of its files."""

    base: str
    context: MergeContext
    history: MergeHistory


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
        (commit,) = self.scratch.contents([merge.commit], kind="commit")
        author = author_of(commit) if commit else None
        if commit is None or author is None:
            return None, UNREADABLE
        merger = Merger(author.address, author.time, branches_of(message_of(commit)))
        history = merge_history(self._git, merge.ours, merge.theirs, merger, paths)
        if history.context is None:
            return None, UNREADABLE
        return Provenance(base, history.context, history), ""

    def _git(self, words: Sequence[str], stdin: bytes | None) -> bytes | None:
        answer = self.scratch.git_result(*words, stdin=stdin)
        return None if answer.status else answer.output


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
