"""Mined files as flat rows, one a conflict: what an export writes and a sample shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from mergebert.example import ConflictExample
from mergebert.text.markers import Conflict, lines_of, parse
from mergebert_data.dataset.repositories import RepositoryFacts
from mergebert_data.dataset.splits import TRAIN
from mergebert_data.history.licences import UNKNOWN

CONTEXT_LINES = 20
_TIMES = ("ours_time", "theirs_time", "base_time", "merge_time", "ours_commits", "theirs_commits")
_MERGERS = ("ours_is_merger", "theirs_is_merger")
_BRANCHES = ("ours_branch", "theirs_branch")
_PROVENANCE = ("repository", "merge", "ours_commit", "theirs_commit", "base_commit", "path", "language")
_TEXTS = ("base", "ours", "theirs", "resolution", "context_before", "context_after")
_NAMES = ("proof", "dissent", "patterns", "flags")

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        *((name, pa.string()) for name in _PROVENANCE),
        ("licence", pa.string()),
        ("split", pa.string()),
        ("index", pa.int64()),
        *((name, pa.string()) for name in _TEXTS),
        ("grade", pa.string()),
        *((name, pa.list_(pa.string())) for name in _NAMES),
        ("duplicate", pa.bool_()),
        *((name, pa.int64()) for name in _TIMES),
        *((name, pa.bool_()) for name in _MERGERS),
        *((name, pa.string()) for name in _BRANCHES),
        *(
            (f"{side}_change_{name}", kind)
            for side in ("ours", "theirs")
            for name, kind in (("commits", pa.int64()), ("time", pa.int64()), ("by_merger", pa.bool_()))
        ),
    ]
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the rows of mined files do not say themselves: splits, licences, and how much context to give."""

    split_of: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, RepositoryFacts] = field(default_factory=dict)
    lines: int = CONTEXT_LINES

    def split(self, repository: str) -> str:
        """The split of a repository; train where no table names it."""
        return self.split_of.get(repository, TRAIN)

    def licence(self, repository: str) -> str:
        """The licence of a repository."""
        return self.facts[repository].licence if repository in self.facts else UNKNOWN


def flat_rows(row: Mapping[str, Any], around: Surroundings) -> Iterator[dict[str, Any]]:
    """The conflicts of a mined row, each with its texts, the agreed lines around it, labels and provenance."""
    repository = row["repository"]
    same = {
        **{name: row[name] for name in _PROVENANCE},
        **row["context"],
        **_change("ours", row["ours_change"]),
        **_change("theirs", row["theirs_change"]),
        "flags": row["flags"],
        "split": around.split(repository),
        "licence": around.licence(repository),
    }
    parts = parse(row["conflicted"], 7).parts
    places = [at for at, part in enumerate(parts) if isinstance(part, Conflict)]
    for at, known in zip(places, row["conflicts"], strict=True):
        conflict = parts[at]
        assert isinstance(conflict, Conflict)
        yield same | _labels(known) | {
            "id": conflict_id(row, known["index"]),
            "base": conflict.sides.base,
            "ours": conflict.sides.ours,
            "theirs": conflict.sides.theirs,
            "context_before": "".join(_agreed(parts, at - 1)[-around.lines :]) if around.lines else "",
            "context_after": "".join(_agreed(parts, at + 1)[: around.lines]),
        }  # fmt: skip


def conflict_id(row: Mapping[str, Any], index: int) -> str:
    """A name of a conflict that stays the same whenever it is mined again."""
    told = f"{row['repository']} {row['merge']} {row['path']} {index}"
    return blake2b(told.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


def grade_of(conflict: Mapping[str, Any]) -> str:
    """The grade of a conflict given as plain values."""
    proof, dissent = tuple(conflict["proof"]), tuple(conflict["dissent"])
    return ConflictExample(0, conflict["resolution"], proof, dissent, False, ()).grade


def _labels(conflict: Mapping[str, Any]) -> dict[str, Any]:
    names = ("index", "resolution", "proof", "dissent", "patterns", "duplicate")
    return {name: conflict[name] for name in names} | {"grade": grade_of(conflict)}


def _change(side: str, change: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{side}_change_commits": change["commits"],
        f"{side}_change_time": change["last_time"],
        f"{side}_change_by_merger": change["by_merger"],
    }


def _agreed(parts: tuple[str | Conflict, ...], at: int) -> list[str]:
    """The lines of the agreed text at `at`; none where a conflict or nothing stands there."""
    part = parts[at] if 0 <= at < len(parts) else ""
    return lines_of(part) if isinstance(part, str) else []
