"""Mined examples on disk, as Parquet or JSON Lines; every file is written whole or not at all."""

from __future__ import annotations

import json
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from mergebert_data.dataset.lacking_values import first_lacking

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
_DAMAGE = (OSError, ValueError, NotImplementedError)  # what pyarrow raises for a damaged file
ROWS = 16  # read at once where texts are read; of the largest, in a script of four bytes a character, 0.3 GB
_LARGEST_GROUP = 128  # rows written at once, of the largest that are mined 0.7 GB


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
        return table, json.loads((table.schema.metadata or {})[_COUNTS])
    except (*_DAMAGE, KeyError) as error:
        raise DatasetError(
            f"{path} cannot be read ({_said(error)}); delete it and mine again, the rest is kept."
        ) from error


def read_rows(path: Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, a JSON Lines file or a mined folder as plain values, streamed."""
    if path.suffix == ".jsonl":
        yield from _json_rows(path)
        return
    for batch in batches(path, ROWS, columns):
        yield from batch.to_pylist()


def batches(path: Path, size: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of a mined Parquet file in order, at most `size` at once; DatasetError where they are damaged."""
    with opened(path) as file:
        for group in range(file.num_row_groups):
            with damage_told(path):
                yield from batches_of_group(file, group, size, columns)


def batches_of_group(
    file: pq.ParquetFile, group: int, size: int, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of one row group, at most `size` at once; ValueError or OSError where they are damaged.

    A row group at a time: asked for all of them, pyarrow keeps what it has read, a gigabyte for a gigabyte. And never the
    whole group: of a text that it repeats a thousand times it holds one.
    """
    for batch in file.iter_batches(size, row_groups=[group], columns=list(columns) if columns else None):
        batch.validate(full=True)  # that its texts are UTF-8, too
        lacking = first_lacking(batch)
        if lacking:
            raise ValueError(f"a row without a value in {lacking!r}")
        yield batch


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Raises a DatasetError for what reading the file at `path` raises."""
    try:
        yield
    except _DAMAGE as error:
        raise DatasetError(f"{path} is damaged ({_said(error)}); mine again.") from error


@contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """The mined Parquet file at `path` (or in that folder); DatasetError where it is none or of another version."""
    if path.is_dir():
        path = path / EXAMPLES
    try:
        source = arrow_file(regular(path))
        file = pq.ParquetFile(source)
        found = file.schema_arrow
    except _DAMAGE as error:
        raise DatasetError(
            f"{path} is no mined data ({_said(error)}); give the folder that mergebert mine wrote."
        ) from error
    with source, file:
        for wanted in SCHEMA:
            at = found.get_field_index(wanted.name)  # of several of one name it gives none
            if at < 0 or found.field(at).type != wanted.type:
                raise DatasetError(
                    f"{path} was mined by another version (column {wanted.name!r} is missing or of another shape); "
                    "mine again with this version."
                )
        yield file


def numbered_rows(
    path: Path, numbers: Iterable[int], columns: Sequence[str] | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of these numbers, each with its number; row groups without one are not read."""
    wanted = sorted(numbers)
    with opened(path) as file:
        first = 0
        for group in range(file.num_row_groups):
            after = first + file.metadata.row_group(group).num_rows
            if _between(wanted, first, after):
                with damage_told(path):
                    yield from _numbered(batches_of_group(file, group, ROWS, columns), first, wanted)
            first = after


def _numbered(
    batches: Iterable[pa.RecordBatch], first: int, wanted: Sequence[int]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The wanted rows of batches whose first row has this number."""
    for batch in batches:
        here = _between(wanted, first, first + batch.num_rows)
        if here:  # of no numbers pyarrow does not know the type
            yield from zip(here, batch.take([number - first for number in here]).to_pylist(), strict=True)
        first += batch.num_rows


def _between(numbers: Sequence[int], first: int, after: int) -> Sequence[int]:
    return numbers[bisect_left(numbers, first) : bisect_left(numbers, after)]


def rewrite(path: Path, changed: Callable[[pa.Table, int], pa.Table]) -> None:
    """Replaces every row group of a mined file, of a large one every part, by `changed(rows, number of the first row)`."""
    target = path / EXAMPLES if path.is_dir() else path
    with opened(path) as file:
        schema = file.schema_arrow
    with parquet_writer(target, schema) as out:
        first = 0
        for batch in batches(path, _LARGEST_GROUP):
            out.write_table(changed(pa.Table.from_batches([batch]), first))
            first += batch.num_rows


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


def _said(error: Exception) -> str:
    """The first line of an error: libraries pass on several."""
    return str(error).partition("\n")[0].removesuffix(".")


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with regular(path).open(encoding="utf-8", newline="\n") as lines:
            yield from map(json.loads, lines)
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(
            f"{path} is no mined data ({error}); give what mergebert mine --jsonl wrote."
        ) from error
