"""Mined examples on disk, as Parquet or JSON Lines; every file is written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mergebert.atomic import Draft
from mergebert.errors import DatasetError
from mergebert.example import FileExample
from mergebert.regular_files import regular
from mergebert.strict_json import json_text

STRING, INTEGER, BOOLEAN, STRINGS = pa.string(), pa.int64(), pa.bool_(), pa.list_(pa.string())


def fields(kind: pa.DataType, *names: str) -> list[pa.Field]:
    """Columns of one type."""
    return [pa.field(name, kind) for name in names]


COMMITS = ("repository", "merge", "ours_commit", "theirs_commit", "base_commit")
NUMBERS = ("ours_time", "theirs_time", "base_time", "merge_time", "ours_commits", "theirs_commits")
_TEXTS = pa.struct(fields(STRING, "base", "ours", "theirs"))
_CONTEXT = pa.struct(
    [
        *fields(INTEGER, *NUMBERS),
        *fields(BOOLEAN, "ours_is_merger", "theirs_is_merger"),
        *fields(STRING, "ours_branch", "theirs_branch"),
    ]
)
_CHANGE = pa.struct([*fields(INTEGER, "commits", "last_time"), ("by_merger", BOOLEAN)])
_SUPERSEDED = pa.struct(fields(INTEGER, "ours", "theirs"))
_HISTORY = pa.struct(
    [
        *fields(_CHANGE, "ours_change", "theirs_change"),
        ("file", _SUPERSEDED),
        ("conflicts", pa.list_(_SUPERSEDED)),
    ]
)
_LOCATION = [("index", INTEGER), ("resolution", STRING), *fields(STRINGS, "proof", "dissent")]
_CONFLICT = pa.struct([*_LOCATION, ("duplicate", BOOLEAN), ("patterns", STRINGS)])
SCHEMA = pa.schema(
    [
        *fields(STRING, *COMMITS, "path", "kind", "language"),
        ("flags", STRINGS),
        *fields(_TEXTS, "blobs", "stages"),
        *fields(STRING, "conflicted", "merged"),
        ("context", _CONTEXT),
        ("history", _HISTORY),
        ("taken", STRING),
        *fields(BOOLEAN, "is_discarded", "is_twin"),
        ("conflicted_files", INTEGER),
        ("conflicts", pa.list_(_CONFLICT)),
    ]
)
# A shard also keeps the hashes by which duplicates are found, so that joining shards never reads texts again.
SHARD_SCHEMA = SCHEMA.append(pa.field("content_keys", STRINGS))
EXAMPLES = "examples.parquet"
COMPRESSION = "zstd"
_COUNTS = b"mergebert.counts"


def arrow_file(path: Path, mode: str = "rb") -> pa.NativeFile:
    """A file as pyarrow reads or writes it; given a name alone, it refuses those that are not UTF-8."""
    return pa.OSFile(os.fsencode(path), mode)


@contextmanager
def parquet_writer(path: Path, schema: pa.Schema = SCHEMA) -> Iterator[pq.ParquetWriter]:
    """A writer of a Parquet file that takes the place of `path` if the block ends well."""
    with (
        Draft(path) as temporary,
        arrow_file(temporary, "wb") as file,
        pq.ParquetWriter(file, schema, compression=COMPRESSION) as writer,
    ):
        yield writer


def write_table(path: Path, table: pa.Table) -> None:
    """Writes a Parquet file of one row group, whole or not at all."""
    with parquet_writer(path, table.schema) as writer:
        writer.write_table(table)


def remove_halves(folder: Path) -> None:
    """Removes what killed runs have left half written in a folder; no other run may be writing there."""
    for half in folder.glob(".*.part"):
        half.unlink()


def write_shard(
    path: Path,
    examples: Sequence[FileExample],
    content_keys: Sequence[Sequence[str]],
    counts: Mapping[str, int],
) -> None:
    """Writes the examples of one block of merges, with their content keys and the counts of mining."""
    rows = [
        example.to_json() | {"content_keys": list(keys)}
        for example, keys in zip(examples, content_keys, strict=True)
    ]
    table = pa.Table.from_pylist(rows, SHARD_SCHEMA).replace_schema_metadata(
        {_COUNTS: json_text(dict(counts))}
    )
    write_table(path, table)


def read_shard(path: Path) -> tuple[pa.Table, dict[str, int]]:
    """The rows of a shard and the counts of mining."""
    try:
        with arrow_file(path) as file:
            table = pq.read_table(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(
            f"{path} cannot be read ({error}); delete it and mine again, the rest is kept."
        ) from error
    return table, json.loads((table.schema.metadata or {})[_COUNTS])


def read_rows(path: Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, a JSON Lines file or a mined folder as plain values, streamed."""
    if path.suffix == ".jsonl":
        yield from _json_rows(path)
        return
    with opened(path) as file:
        for batch in batches(file, 64, columns):
            yield from batch.to_pylist()


def batches(
    file: pq.ParquetFile, size: int, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file in order, at most `size` at once.

    A row group at a time: asked for all of them, pyarrow keeps what it has read, a gigabyte for a gigabyte.
    """
    for group in range(file.num_row_groups):
        yield from file.iter_batches(size, row_groups=[group], columns=list(columns) if columns else None)


@contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """The mined Parquet file at `path` (or in that folder); DatasetError where it is none or of another version."""
    if path.is_dir():
        path = path / EXAMPLES
    try:
        source = arrow_file(regular(path))
        file = pq.ParquetFile(source)
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(
            f"{path} is no mined data ({error}); give the folder that mergebert mine wrote."
        ) from error
    with source, file:
        found = file.schema_arrow
        for wanted in SCHEMA:
            if wanted.name not in found.names or found.field(wanted.name).type != wanted.type:
                raise DatasetError(
                    f"{path} was mined by another version (column {wanted.name!r} is missing or of another shape); "
                    "mine again with this version."
                )
        yield file


def numbered_rows(
    path: Path, numbers: Collection[int], columns: Sequence[str] | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of these numbers, each with its number; row groups without one are not read."""
    with opened(path) as file:
        first = 0
        for group in range(file.num_row_groups):
            after = first + file.metadata.row_group(group).num_rows
            here = sorted(number for number in numbers if first <= number < after)
            if here:
                table = file.read_row_group(group, columns=list(columns) if columns else None)
                yield from zip(here, table.take([number - first for number in here]).to_pylist(), strict=True)
            first = after


def rewrite(path: Path, changed: Callable[[pa.Table, int], pa.Table]) -> None:
    """Replaces every row group of a mined file by `changed(rows, number of the first row)`."""
    with opened(path) as file:
        target = path / EXAMPLES if path.is_dir() else path
        with parquet_writer(target) as out:
            first = 0
            for number in range(file.num_row_groups):
                table = file.read_row_group(number)
                out.write_table(changed(table, first))
                first += table.num_rows


def write_json_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows as JSON Lines."""
    with Draft(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(json_text(row, ensure_ascii=False) + "\n" for row in rows)


def write_parquet(path: Path, rows: Iterable[Mapping[str, Any]], schema: pa.Schema, group: int) -> None:
    """Writes rows as Parquet, `group` of them in a row group."""
    left = iter(rows)
    with parquet_writer(path, schema) as writer:
        while piece := list(islice(left, group)):
            writer.write_table(pa.Table.from_pylist(piece, schema))


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with regular(path).open(encoding="utf-8", newline="\n") as lines:
            yield from map(json.loads, lines)
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(
            f"{path} is no mined data ({error}); give what mergebert mine --jsonl wrote."
        ) from error
