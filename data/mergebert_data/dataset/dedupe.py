"""Duplicates over all repositories: found in the order test, development, train, so that the training copy is flagged.

OUT/duplicates.parquet names every duplicate and what it repeats; `duplicate` in OUT/examples.parquet flags it.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from mergebert.example import labelled_merge
from mergebert.markdown import markdown_table
from mergebert.text.languages import by_name
from mergebert_data.dataset.duplicate_index import EXACT, NEAR, DuplicateIndex, conflict_content
from mergebert_data.dataset.splits import DEVELOPMENT, TEST, TRAIN
from mergebert_data.dataset.store import (
    BOOLEAN,
    INTEGER,
    SCHEMA,
    STRING,
    batches,
    fields,
    numbered_rows,
    remove_halves,
    rewrite,
    write_parquet,
)

DUPLICATES_FILE = "duplicates.parquet"
THRESHOLD = 0.85
ORDER = (TEST, DEVELOPMENT, TRAIN)
_ROW = ("repository", "merge", "path")
_SCHEMA = pa.schema(
    [
        *fields(STRING, *_ROW),
        ("index", INTEGER),
        *fields(STRING, "language", "kind"),
        *fields(STRING, *(f"of_{name}" for name in _ROW)),
        ("of_index", INTEGER),
        *fields(STRING, "split", "of_split"),
        ("across_splits", BOOLEAN),
    ]
)
_READ = ("repository", "language", "conflicted", "conflicts")
_GROUP = 10_000  # rows of the table of duplicates


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A conflict (row of the file, index in the row), the earlier one that it repeats, and how: exactly or nearly.

    `was_flagged` is the flag of the conflict when it was read.
    """

    row: int
    index: int
    kind: str
    of_row: int
    of_index: int
    split: str
    of_split: str
    language: str
    was_flagged: bool

    @property
    def is_across(self) -> bool:
        """Whether the two stand in different splits."""
        return self.split != self.of_split


@dataclass(slots=True)
class FoundDuplicates:
    """The duplicates of a dataset, and how many conflicts of each language it has."""

    threshold: float
    duplicates: list[Duplicate] = field(default_factory=list)
    conflicts: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Counts for a JSON file."""
        counted: dict[str, Counter[str]] = {language: Counter() for language in sorted(self.conflicts)}
        across: Counter[tuple[str, str, str]] = Counter()
        for one in self.duplicates:
            counted[one.language].update({one.kind: 1, "across splits": +one.is_across})
            across.update([(one.split, one.of_split, one.kind)] if one.is_across else [])
        return {
            "threshold": self.threshold,
            "languages": {name: {"conflicts": self.conflicts[name], **counted[name]} for name in counted},
            "across": [
                {"flagged in": split, "repeats": of_split, "kind": kind, "conflicts": count}
                for (split, of_split, kind), count in sorted(across.items())
            ],
        }


def found_duplicates(
    out: Path, split_of: Mapping[str, str], threshold: float, advance: Callable[[int], object]
) -> FoundDuplicates:
    """Every conflict of a mined folder that repeats one before it in the order of splits; `advance` is called for each file.

    Near duplicates within test and development are compared with too, so that training keeps nothing like any of them.
    """
    found = FoundDuplicates(threshold)
    rows, indices, splits = array("q"), array("q"), array("b")
    names = {name for batch in batches(out, 4096, ["repository"]) for name in batch.column(0).to_pylist()}
    with DuplicateIndex(threshold) as seen:
        for split in ORDER:
            is_here = {name for name in names if split_of.get(name, TRAIN) == split}
            for number, row in rows_of(out, is_here, _READ):
                language = by_name(row["language"])
                found.conflicts[row["language"]] += len(row["conflicts"])
                merged = labelled_merge(row["conflicted"], len(row["conflicts"]))
                for conflict, known in zip(merged.conflicts, row["conflicts"], strict=True):
                    content = conflict_content(conflict, known["resolution"], language)
                    match = seen.match(content, len(rows), is_kept=split != TRAIN)
                    if match:
                        kind, at = match
                        of_split = ORDER[splits[at]]
                        found.duplicates.append(
                            Duplicate(
                                number, known["index"], kind, rows[at], indices[at],
                                split, of_split, row["language"], known["duplicate"],
                            )
                        )  # fmt: skip
                    rows.append(number)
                    indices.append(known["index"])
                    splits.append(ORDER.index(split))
                advance(1)
    return found


def write_flags(out: Path, found: FoundDuplicates) -> None:
    """Writes the table of duplicates and flags these conflicts, and no others, in the examples."""
    remove_halves(out)
    write_table(out, found)
    flagged = {(one.row, one.index) for one in found.duplicates}

    def changed(table: pa.Table, first: int) -> pa.Table:
        column = table["conflicts"].to_pylist()
        for row, conflicts in enumerate(column, start=first):
            for conflict in conflicts:
                conflict["duplicate"] = (row, conflict["index"]) in flagged
        at = table.schema.get_field_index("conflicts")
        return table.set_column(at, SCHEMA.field(at), pa.array(column, SCHEMA.field(at).type))

    rewrite(out, changed)


def write_table(out: Path, found: FoundDuplicates) -> None:
    """Writes which conflict repeats which."""
    wanted = {row for one in found.duplicates for row in (one.row, one.of_row)}
    named = names_of(out, wanted)
    rows = (_plain(one, named) for one in found.duplicates)
    write_parquet(out / DUPLICATES_FILE, rows, _SCHEMA, _GROUP)


def duplicate_tables(figures: Mapping[str, Any]) -> str:
    """The counts of `FoundDuplicates.to_json` as Markdown tables."""
    names = ("conflicts", EXACT, NEAR, "across splits")
    counted = sorted(figures["languages"].items(), key=lambda item: (-item[1]["conflicts"], item[0]))
    total = sum((Counter(counts) for _, counts in counted), Counter[str]())
    rows = [
        (name, *(f"{counts.get(key, 0)}" for key in names)) for name, counts in (*counted, ("all", total))
    ]
    across = [
        (f"{one['flagged in']} that repeats {one['repeats']}, {one['kind']}", f"{one['conflicts']}")
        for one in figures["across"]
    ]
    header = ("language", "conflicts", "equal but for white space", "near", "across splits")
    pairs = markdown_table(("across splits", "conflicts"), across or [("none", "0")])
    return f"{markdown_table(header, rows)}\n\n{pairs}"


def rows_of(
    out: Path, wanted: Collection[str], columns: Sequence[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of these repositories, each with its number; texts of others are not read."""
    numbers: set[int] = set()
    first = 0
    for batch in batches(out, 4096, ["repository"]):
        names = batch.column(0).to_pylist()
        numbers.update(number for number, name in enumerate(names, start=first) if name in wanted)
        first += len(names)
    return numbered_rows(out, numbers, columns)


def names_of(out: Path, numbers: Collection[int]) -> dict[int, tuple[str, ...]]:
    """Repository, merge and path of these rows."""
    return {number: tuple(row[name] for name in _ROW) for number, row in numbered_rows(out, numbers, _ROW)}


def _plain(one: Duplicate, named: Mapping[int, tuple[str, ...]]) -> dict[str, Any]:
    same = ("index", "of_index", "language", "kind", "split", "of_split")
    return {
        **dict(zip(_ROW, named[one.row], strict=True)),
        **{f"of_{name}": value for name, value in zip(_ROW, named[one.of_row], strict=True)},
        **{name: getattr(one, name) for name in same},
        "across_splits": one.is_across,
    }
