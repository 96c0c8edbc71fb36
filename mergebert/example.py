"""Mined examples: what the miner writes and training and evaluation read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mergebert.errors import DatasetError
from mergebert.threeway import ThreeWay


@dataclass(frozen=True, slots=True)
class MergeContext:
    """What was known of the merge when it was made: times in seconds since 1970, commits on each side since the base."""

    ours_time: int
    theirs_time: int
    base_time: int
    merge_time: int
    ours_commits: int
    theirs_commits: int
    ours_is_merger: bool
    theirs_is_merger: bool


@dataclass(frozen=True, slots=True)
class ConflictExample:
    """One conflict of a file and the resolution people committed, or None where it could not be located with proof.

    `proof` says which method located it: aligned, candidate or both. `patterns` names the methods whose candidate
    equals the resolution but for white space. `duplicate` marks content already seen in another example.
    """

    index: int
    resolution: str | None
    proof: str
    duplicate: bool
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileExample:
    """One conflicted file of a replayed merge with its provenance.

    `stages` are the whole texts, `conflicted` is what `git merge-file --diff3` makes of them, `merged` what people
    committed. The n-th of `conflicts` belongs to the n-th conflict of `conflicted`.
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
            conflicts=tuple(
                ConflictExample(**{**conflict, "patterns": tuple(conflict["patterns"])})
                for conflict in row["conflicts"]
            ),
        )
    except (KeyError, TypeError) as error:
        raise DatasetError(
            f"This row is no mined example ({error}); mine again with this version."
        ) from error


_PLAIN = (
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
