"""What history tells of a merge: how old and long its sides are, how each changed a file, and which one is the newer.

Branches carry commits that were rebased, squashed, backported or picked. Where the text of ours stood in an earlier
version of the file on the side of theirs, theirs has had it and moved on: ours is superseded. No other evidence that was
tried on held-out conflicts made the ranking nearly as much surer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mergebert.text.candidates import whitespace_key
from mergebert.text.markers import Conflict
from mergebert.text.threeway import ThreeWay

LEAST_TELLING = 12  # characters but white space; a shorter text stands in a file by chance


@dataclass(frozen=True, slots=True)
class MergeContext:
    """What was known of the merge when it was made: times in seconds since 1970, commits on each side since the base.

    The branches are named as in the merge commit's message, None where it names none; whether the person who merges wrote
    the last commit of a side is None where nobody knows who that is.
    """

    ours_time: int
    theirs_time: int
    base_time: int
    merge_time: int
    ours_commits: int
    theirs_commits: int
    ours_is_merger: bool | None
    theirs_is_merger: bool | None
    ours_branch: str | None = None
    theirs_branch: str | None = None


@dataclass(frozen=True, slots=True)
class SideChange:
    """How one side changed a file since the base: in how many commits, when last (seconds since 1970), and whether the
    person merging wrote that last commit; 0 and None where it is not known."""

    commits: int = 0
    last_time: int | None = None
    by_merger: bool | None = None


@dataclass(frozen=True, slots=True)
class Superseded:
    """How many versions ago each side's text stood on the other side; -1 if it never did, None if that is not known."""

    ours: int | None = None
    theirs: int | None = None


@dataclass(frozen=True, slots=True)
class FileHistory:
    """How both sides changed a file, and which of its whole versions, and of the texts of its conflicts, are superseded."""

    ours_change: SideChange = SideChange()
    theirs_change: SideChange = SideChange()
    file: Superseded = Superseded()
    conflicts: tuple[Superseded, ...] = ()


UNKNOWN_HISTORY = FileHistory()


@dataclass(frozen=True, slots=True)
class PastVersions:
    """The texts that a file has had on each side since the merge base, newest first; None where they are not known."""

    ours: tuple[str, ...] | None = None
    theirs: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class MergeHistory:
    """What history tells of a merge and of its files; a file it does not name is unknown."""

    context: MergeContext | None = None
    changes: Mapping[str, tuple[SideChange, SideChange]] = field(default_factory=dict)
    past: Mapping[str, PastVersions] = field(default_factory=dict)

    def of(self, path: str, stages: ThreeWay[str] | None, conflicts: Sequence[Conflict]) -> FileHistory:
        """What it tells of a file with these whole versions and conflicts."""
        changes = self.changes.get(path, (SideChange(), SideChange()))
        past = self.past.get(path)
        if past is None or stages is None:
            return FileHistory(*changes)
        whole = Superseded(_found_whole(stages.ours, past.theirs), _found_whole(stages.theirs, past.ours))
        return FileHistory(*changes, whole, superseded_conflicts(conflicts, stages, past))


UNKNOWN_MERGE = MergeHistory()


def joined_history(parts: Sequence[MergeHistory]) -> MergeHistory:
    """What several histories of one merge tell, each of other files."""
    changes = {path: found for part in parts for path, found in part.changes.items()}
    past = {path: found for part in parts for path, found in part.past.items()}
    return MergeHistory(next((part.context for part in parts if part.context), None), changes, past)


def superseded_conflicts(
    conflicts: Sequence[Conflict], stages: ThreeWay[str], past: PastVersions
) -> tuple[Superseded, ...]:
    """For each conflict whether the text of each side has stood on the other, all its lines together.

    A text says nothing where it is short, or where the base or the other side has it anyway.
    """
    base, ours, theirs = map(whitespace_key, stages)
    ours_past, theirs_past = map(_keys, (past.ours, past.theirs))
    return tuple(
        Superseded(
            _found(whitespace_key(conflict.sides.ours), (base, theirs), theirs_past),
            _found(whitespace_key(conflict.sides.theirs), (base, ours), ours_past),
        )
        for conflict in conflicts
    )


def _keys(texts: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if texts is None else tuple(map(whitespace_key, texts))


def _found_whole(text: str, past: tuple[str, ...] | None) -> int | None:
    if past is None:
        return None
    return past.index(text) if text in past else -1


def _found(key: str, known: tuple[str, ...], past: tuple[str, ...] | None) -> int | None:
    """How many versions ago a text stood among `past`; -1 if never, or if it is too short or stands in what is `known`."""
    if past is None:
        return None
    if len(key) < LEAST_TELLING or any(key in text for text in known):
        return -1
    return next((at for at, text in enumerate(past) if key in text), -1)
