"""A dataset without its texts: where every conflict stands in public history, and its label.

A manifest names commits, paths, blobs and lines; `rebuild` makes the same examples of it wherever the repositories are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Meta

from mergebert.errors import DatasetError
from mergebert.example import labelled_merge
from mergebert.git.pack import object_name
from mergebert.regular_files import regular
from mergebert.text.history import FileHistory, MergeContext
from mergebert.text.markers import lines_of
from mergebert.text.threeway import ThreeWay
from mergebert_data.dataset.agreement import grade_of
from mergebert_data.dataset.store import (
    BOOLEAN,
    INTEGER,
    SCHEMA,
    STRING,
    STRINGS,
    arrow_file,
    batches_of_group,
    fields,
    read_rows,
    write_json_lines,
    write_parquet,
)
from mergebert_data.locate.context_lines import Span
from mergebert_data.locate.resolution_spans import resolution_spans

TEXTS = ("stages", "conflicted", "merged")
_GROUP = 1_000  # rows
_KEPT = tuple(name for name in SCHEMA.names if name not in (*TEXTS, "conflicts"))
_LABEL = ("index", "proof", "dissent", "duplicate", "patterns")
_LINES = [*fields(INTEGER, "index", "first_line", "lines"), *fields(STRINGS, "proof", "dissent")]
_CONFLICT = pa.struct([*_LINES, ("grade", STRING), ("duplicate", BOOLEAN), ("patterns", STRINGS)])
MANIFEST_SCHEMA = pa.schema(
    [
        *(SCHEMA.field(name) for name in _KEPT),
        *fields(STRING, "merged_blob", "conflicted_sha256", "split"),
        ("conflicts", pa.list_(_CONFLICT)),
    ]
)
_Id = Annotated[str, Meta(pattern=r"\A[0-9a-f]*\Z")]


@dataclass(frozen=True, slots=True)
class _Label:
    index: int
    first_line: int | None
    lines: int | None
    proof: tuple[str, ...]
    dissent: tuple[str, ...]
    duplicate: bool
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _ManifestRow:
    """What a row of a manifest has to hold, wherever it is from."""

    repository: str
    merge: _Id
    ours_commit: _Id
    theirs_commit: _Id
    base_commit: _Id
    path: str
    kind: str
    language: str
    flags: tuple[str, ...]
    blobs: ThreeWay[_Id]
    context: MergeContext
    history: FileHistory
    taken: Literal["", "ours", "theirs"]
    is_discarded: bool
    is_twin: bool
    conflicted_files: int
    merged_blob: _Id
    conflicted_sha256: str
    split: str | None
    conflicts: tuple[_Label, ...]


def write_manifest(
    out: Path, path: Path, split_of: Mapping[str, str], advance: Callable[[int], object]
) -> int:
    """Writes the manifest of a mined folder, Parquet or JSON Lines by its name; gives back its rows."""
    count = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal count
        for row in read_rows(out):
            yield manifest_row(row, split_of)
            advance(1)
            count += 1

    if path.suffix == ".jsonl":
        write_json_lines(path, rows())
    else:
        write_parquet(path, rows(), MANIFEST_SCHEMA, _GROUP)
    return count


def read_manifest(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a manifest; DatasetError where it is none."""
    try:
        if path.suffix == ".jsonl":
            with regular(path).open(encoding="utf-8", newline="\n") as lines:
                yield from (_checked(json.loads(line)) for line in lines)
            return
        with arrow_file(regular(path)) as source, pq.ParquetFile(source) as file:
            for group in range(file.num_row_groups):
                for batch in batches_of_group(file, group, 500):
                    yield from map(_checked, batch.to_pylist())
    except (OSError, ValueError, NotImplementedError, RecursionError) as error:  # of pyarrow too
        raise DatasetError(
            f"{path} is no manifest ({error}); give what mergebert dataset manifest wrote."
        ) from error


def manifest_row(row: Mapping[str, Any], split_of: Mapping[str, str]) -> dict[str, Any]:
    """A mined row without its texts: its resolutions are lines of the file people committed, or the sides they took."""
    resolutions = [None if row["taken"] else one["resolution"] for one in row["conflicts"]]
    spans = resolution_spans(row["conflicted"], row["merged"], resolutions)
    return {
        **{name: row[name] for name in _KEPT},
        "merged_blob": object_name("blob", row["merged"].encode("utf-8", "surrogateescape")),
        "conflicted_sha256": text_sha256(row["conflicted"]),
        "split": split_of.get(row["repository"]),
        "conflicts": [_label(one, span) for one, span in zip(row["conflicts"], spans, strict=True)],
    }


def example_row(
    row: Mapping[str, Any], stages: Mapping[str, str], conflicted: str, merged: str
) -> dict[str, Any]:
    """The mined row of a row of a manifest and its texts: the inverse of `manifest_row`."""
    texts = _resolutions(row, conflicted, lines_of(merged))
    return {
        **{name: row[name] for name in _KEPT},
        "stages": dict(stages),
        "conflicted": conflicted,
        "merged": merged,
        "conflicts": [
            {name: one[name] for name in _LABEL} | {"resolution": text}
            for one, text in zip(row["conflicts"], texts, strict=True)
        ],
    }


def text_sha256(text: str) -> str:
    """The SHA-256 of a text."""
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _label(conflict: Mapping[str, Any], span: Span | None) -> dict[str, Any]:
    first, lines = (span[0] + 1, span[1] - span[0]) if span else (None, None)
    label = {name: conflict[name] for name in _LABEL}
    return label | {"first_line": first, "lines": lines, "grade": grade_of(conflict)}


def _resolutions(row: Mapping[str, Any], conflicted: str, lines: Sequence[str]) -> Iterator[str | None]:
    if row["taken"]:
        conflicts = labelled_merge(conflicted, len(row["conflicts"])).conflicts
        yield from (getattr(one.sides, row["taken"]) for one in conflicts)
    else:
        yield from (_text(lines, one) for one in row["conflicts"])


def _text(lines: Sequence[str], label: Mapping[str, Any]) -> str | None:
    if label["first_line"] is None:
        return None
    first = label["first_line"] - 1
    return "".join(lines[first : first + label["lines"]])


def _checked(row: dict[str, Any]) -> dict[str, Any]:
    """The row, which has every value that a row needs; raises ValueError for any other."""
    labels = msgspec.convert(row, _ManifestRow).conflicts
    if any((one.first_line is None) != (one.lines is None) for one in labels):
        raise ValueError("a resolution without its lines")
    return row
