"""Mined examples: what the miner writes and training and evaluation read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import msgspec

from mergebert.errors import DatasetError, MarkerError
from mergebert.text.history import UNKNOWN_HISTORY, FileHistory, MergeContext
from mergebert.text.markers import MergedFile, parse_line_merge
from mergebert.text.threeway import ThreeWay

CONFLICT, CLEAN = "conflict", "clean"  # kinds of a FileExample
PARENT = "parent"  # in the proof of a resolution whose whole file is that of a parent
GRADES = ("a", "b", "c", "d")  # of a located resolution, the surest first


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
        """How sure the location is: `a` the file is a parent's or all three methods agree, `b` two agree, `c` one alone,
        `d` one found another text, empty where it was not located."""
        if self.resolution is None:
            return ""
        if PARENT in self.proof:
            return "a"
        return "d" if self.dissent else GRADES[3 - len(self.proof)]


@dataclass(frozen=True, slots=True)
class FileExample:
    """One file of a replayed merge that both sides changed, with its provenance.

    `stages` are the whole texts, `conflicted` is what git makes of them in the diff3 style, `merged` what people
    committed. The n-th of `conflicts` belongs to the n-th conflict of `conflicted`; a file of the kind `clean` has none.
    `flags` are the reasons why it would usually be left out: generated, vendored. `taken` is `ours` or `theirs` where
    people committed that whole version, `is_discarded` whether git had merged in changes of the other side that went with
    it, `is_twin` whether another example merges the same three versions. `conflicted_files` counts what git left in
    conflict in the whole merge, also the files that were not mined.
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
    history: FileHistory = UNKNOWN_HISTORY
    taken: str = ""
    is_discarded: bool = False
    is_twin: bool = False
    conflicted_files: int = 1

    @property
    def is_cleaned(self) -> bool:
        """Whether its resolutions say what is right: nobody threw the merge away, or made it otherwise elsewhere."""
        return not (self.is_discarded or self.is_twin)

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON Lines or a Parquet row."""
        return asdict(self)


def example_from_json(row: Mapping[str, Any]) -> FileExample:
    """The example of a row as `FileExample.to_json` wrote it; raises DatasetError where a value is missing or another's."""
    try:
        return msgspec.convert({name: row[name] for name in _FIELDS}, FileExample)
    except (KeyError, ValueError) as error:  # msgspec's own errors are ValueErrors
        raise DatasetError(
            f"This row is no mined example ({error}); mine again with this version."
        ) from error


def labelled_merge(conflicted: str, labels: int) -> MergedFile:
    """The line merge of a mined file of so many labels; raises DatasetError where it is none, or has other conflicts."""
    try:
        merged = parse_line_merge(conflicted)
    except MarkerError as error:
        raise DatasetError(f"A mined file is no line merge ({error}); mine it again.") from error
    if len(merged.conflicts) != labels:
        found = len(merged.conflicts)
        raise DatasetError(f"A mined file has {found} conflicts and labels for {labels}; mine it again.")
    return merged


_FIELDS = tuple(field.name for field in fields(FileExample))
