"""Mined files as flat rows, a row a conflict: what an export writes and a sample shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from itertools import chain, repeat
from typing import Any

import pyarrow as pa

from mergebert.example import labelled_merge
from mergebert.text.history import Superseded
from mergebert.text.markers import Conflict, lines_of
from mergebert_data.dataset.agreement import grade_of
from mergebert_data.dataset.repositories import RepositoryFacts
from mergebert_data.dataset.splits import TRAIN
from mergebert_data.dataset.store import BOOLEAN, COMMITS, INTEGER, NUMBERS, STRING, STRINGS, fields
from mergebert_data.history.licences import UNKNOWN

CONTEXT_LINES = 20
_UNKNOWN = asdict(Superseded())
_PROVENANCE = (*COMMITS, "path", "language")
_MERGED = ("flags", "taken", "is_discarded", "is_twin", "conflicted_files")
_TEXTS = ("base", "ours", "theirs", "resolution", "context_before", "context_after")

SCHEMA = pa.schema(
    [
        *fields(STRING, "id", *_PROVENANCE, "licence", "split"),
        ("index", INTEGER),
        *fields(STRING, *_TEXTS, "grade"),
        *fields(STRINGS, "proof", "dissent", "patterns", "flags"),
        ("duplicate", BOOLEAN),
        *fields(INTEGER, *NUMBERS),
        *fields(BOOLEAN, "ours_is_merger", "theirs_is_merger"),
        *fields(STRING, "ours_branch", "theirs_branch"),
        *fields(INTEGER, "ours_change_commits", "ours_change_time"),
        ("ours_change_by_merger", BOOLEAN),
        *fields(INTEGER, "theirs_change_commits", "theirs_change_time"),
        ("theirs_change_by_merger", BOOLEAN),
        *fields(INTEGER, "ours_superseded", "theirs_superseded"),
        ("taken", STRING),
        *fields(BOOLEAN, "is_discarded", "is_twin"),
        ("conflicted_files", INTEGER),
    ]
)


@dataclass(frozen=True, slots=True)
class RowMetadata:
    """What mined rows do not hold: the split and licence of each repository; and how many context lines to add."""

    split_of: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, RepositoryFacts] = field(default_factory=dict)
    context_lines: int = CONTEXT_LINES

    def split(self, repository: str) -> str:
        """The split of a repository; train where no table names it."""
        return self.split_of.get(repository, TRAIN)

    def licence(self, repository: str) -> str:
        """The licence of a repository."""
        return self.facts[repository].licence if repository in self.facts else UNKNOWN


def flat_rows(row: Mapping[str, Any], metadata: RowMetadata) -> Iterator[dict[str, Any]]:
    """The conflicts of a mined row, each with its texts, context lines, labels and provenance."""
    repository = row["repository"]
    same = {
        **{name: row[name] for name in _PROVENANCE},
        **row["context"],
        **_change("ours", row["history"]["ours_change"]),
        **_change("theirs", row["history"]["theirs_change"]),
        **{name: row[name] for name in _MERGED},
        "split": metadata.split(repository),
        "licence": metadata.licence(repository),
    }
    parts = labelled_merge(row["conflicted"], len(row["conflicts"])).parts
    numbers = [at for at, part in enumerate(parts) if isinstance(part, Conflict)]
    superseded = chain(row["history"]["conflicts"], repeat(_UNKNOWN))  # a shallow clone tells of none
    for at, known, past in zip(numbers, row["conflicts"], superseded, strict=False):
        conflict = parts[at]
        assert isinstance(conflict, Conflict)
        yield same | _labels(known) | {
            "id": conflict_id(row, known["index"]),
            "base": conflict.sides.base,
            "ours": conflict.sides.ours,
            "theirs": conflict.sides.theirs,
            "ours_superseded": past["ours"],
            "theirs_superseded": past["theirs"],
            "context_before": "".join(_context(parts, at - 1)[-metadata.context_lines :]) if metadata.context_lines else "",
            "context_after": "".join(_context(parts, at + 1)[: metadata.context_lines]),
        }  # fmt: skip


def conflict_id(row: Mapping[str, Any], index: int) -> str:
    """A hash that names a conflict, the same whenever it is mined again."""
    name = f"{row['repository']} {row['merge']} {row['path']} {index}"
    return blake2b(name.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


def _labels(conflict: Mapping[str, Any]) -> dict[str, Any]:
    names = ("index", "resolution", "proof", "dissent", "patterns", "duplicate")
    return {name: conflict[name] for name in names} | {"grade": grade_of(conflict)}


def _change(side: str, change: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{side}_change_commits": change["commits"],
        f"{side}_change_time": change["last_time"],
        f"{side}_change_by_merger": change["by_merger"],
    }


def _context(parts: tuple[str | Conflict, ...], at: int) -> list[str]:
    """The context lines of the part at `at`; none where a conflict or nothing stands there."""
    part = parts[at] if 0 <= at < len(parts) else ""
    return lines_of(part) if isinstance(part, str) else []
