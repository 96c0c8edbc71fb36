"""Mined examples: what the miner writes and training and evaluation read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mergebert.errors import DatasetError
from mergebert.text.threeway import ThreeWay

CONFLICT, CLEAN = "conflict", "clean"  # kinds of a FileExample
GRADES = ("a", "b", "c", "d")  # of a located resolution, the surest first


@dataclass(frozen=True, slots=True)
class MergeContext:
    """What was known of the merge when it was made: times in seconds since 1970, commits on each side since the base.

    The branches are named as in the merge commit's message, None where it names none.
    """

    ours_time: int
    theirs_time: int
    base_time: int
    merge_time: int
    ours_commits: int
    theirs_commits: int
    ours_is_merger: bool
    theirs_is_merger: bool
    ours_branch: str | None = None
    theirs_branch: str | None = None


@dataclass(frozen=True, slots=True)
class SideChange:
    """How one side changed a file since the base: in how many of its latest commits, when last (seconds since 1970), and
    whether the person merging wrote that last commit; 0 and None where it is not known."""

    commits: int
    last_time: int | None
    by_merger: bool | None


UNKNOWN_CHANGE = SideChange(0, None, None)


@dataclass(frozen=True, slots=True)
class ConflictExample:
    """One conflict of a file and the resolution people committed, or None where it could not be located with proof.

    `proof` names the methods of location that found it, `dissent` those that found another text. `patterns` names the
    methods whose candidate equals the resolution but for white space. `duplicate` marks content already seen in another
    example.
    """

    index: int
    resolution: str | None
    proof: tuple[str, ...]
    dissent: tuple[str, ...]
    duplicate: bool
    patterns: tuple[str, ...]

    @property
    def grade(self) -> str:
        """How sure the location is: `a` all three methods agree, `b` two agree, `c` one alone, `d` one found another text,
        empty where it was not located."""
        if self.resolution is None:
            return ""
        return "d" if self.dissent else GRADES[3 - len(self.proof)]


@dataclass(frozen=True, slots=True)
class FileExample:
    """One file of a replayed merge that both sides changed, with its provenance.

    `stages` are the whole texts, `conflicted` is what git makes of them in the diff3 style, `merged` what people
    committed. The n-th of `conflicts` belongs to the n-th conflict of `conflicted`; a file of the kind `clean` has none.
    `flags` are the reasons why it would usually be left out: generated, vendored.
    """

    repository: str
    merge: str
    ours_commit: str
    theirs_commit: str
    base_commit: str
    path: str
    language: str
    blobs: ThreeWay[str]
    stages: ThreeWay[str]
    conflicted: str
    merged: str
    context: MergeContext
    conflicts: tuple[ConflictExample, ...]
    kind: str = CONFLICT
    flags: tuple[str, ...] = ()
    ours_change: SideChange = UNKNOWN_CHANGE
    theirs_change: SideChange = UNKNOWN_CHANGE

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON Lines or a Parquet row."""
        return asdict(self)


def example_from_json(row: Mapping[str, Any]) -> FileExample:
    """The example of a row as `FileExample.to_json` wrote it; raises DatasetError where fields are missing."""
    try:
        plain = {key: row[key] for key in _PLAIN}
        return FileExample(
            **plain,
            blobs=ThreeWay(**row["blobs"]),
            stages=ThreeWay(**row["stages"]),
            context=MergeContext(**row["context"]),
            conflicts=tuple(map(_conflict, row["conflicts"])),
            flags=tuple(row["flags"]),
            ours_change=SideChange(**row["ours_change"]),
            theirs_change=SideChange(**row["theirs_change"]),
        )
    except (KeyError, TypeError) as error:
        raise DatasetError(
            f"This row is no mined example ({error}); mine again with this version."
        ) from error


def _conflict(row: Mapping[str, Any]) -> ConflictExample:
    return ConflictExample(**{**row, **{name: tuple(row[name]) for name in ("proof", "dissent", "patterns")}})


_PLAIN = (
    "kind",
    "repository",
    "merge",
    "ours_commit",
    "theirs_commit",
    "base_commit",
    "path",
    "language",
    "conflicted",
    "merged",
)
