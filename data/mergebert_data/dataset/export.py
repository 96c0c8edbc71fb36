"""Mined data as flat Parquet for other tools: a folder a split, shards of bounded size."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from mergebert.errors import InputError
from mergebert.strict_json import json_text
from mergebert_data.dataset.card import FOLDERS
from mergebert_data.dataset.card_counts import CardCounts
from mergebert_data.dataset.flat_rows import SCHEMA, RowMetadata, flat_rows
from mergebert_data.dataset.store import COMPRESSION, read_rows

SHARD_BYTES = 256_000_000
PARQUET, JSON_LINES = "parquet", "jsonl"
_ROWS = 2_000  # written at once, or fewer of many bytes: what memory holds of each split
_CHARACTERS = 8_000_000


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Which conflicts are exported (any grade and none where `grades` is None), and to what files."""

    grades: Collection[str] | None = None
    is_distinct: bool = False
    shard_bytes: int = SHARD_BYTES
    formats: tuple[str, ...] = (PARQUET,)

    def has(self, flat: Mapping[str, Any]) -> bool:
        """Whether a flat row is exported."""
        is_graded = self.grades is None or flat["grade"] in self.grades
        return is_graded and not (self.is_distinct and flat["duplicate"])

    @property
    def left_out(self) -> str:
        """What is not exported, in words."""
        reasons = []
        if self.grades is not None:
            reasons.append(f"what is not located with grade {', '.join(sorted(self.grades))}")
        if self.is_distinct:
            reasons.append("duplicates")
        return " and ".join(reasons)


class Shards:
    """The files of one split in one format, each of at most about `most` bytes."""

    def __init__(self, folder: Path, form: str, most: int) -> None:
        self.folder, self.form, self.most = folder, form, most
        self._count = 0
        self._parquet: pq.ParquetWriter | None = None
        self._out: IO[bytes] | None = None

    def __enter__(self) -> Shards:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def write(self, rows: list[dict[str, Any]]) -> None:
        """Adds rows to the last file."""
        out = self._out or self._opened()
        if self._parquet is not None:
            self._parquet.write_table(pa.Table.from_pylist(rows, SCHEMA))
        else:
            ordered = ({name: row[name] for name in SCHEMA.names} for row in rows)
            out.writelines(json_text(row, ensure_ascii=False).encode() + b"\n" for row in ordered)
        if out.tell() >= self.most:
            self._close()

    def _opened(self) -> IO[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._out = (self.folder / f"{self._count:05}.{self.form}").open("wb")
        self._count += 1
        if self.form == PARQUET:
            self._parquet = pq.ParquetWriter(self._out, SCHEMA, compression=COMPRESSION)
        return self._out

    def _close(self) -> None:
        if self._parquet is not None:
            self._parquet.close()
        if self._out is not None:
            self._out.close()
        self._parquet = self._out = None


def write_export(
    out: Path, target: Path, options: ExportOptions, metadata: RowMetadata, advance: Callable[[int], object]
) -> CardCounts:
    """Writes the conflicts of a mined folder that the options choose into a new folder, whole or not at all; their counts.

    InputError where the folder holds something already.
    """
    if target.exists() and (not target.name or not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is there already; give a new folder, or remove it first.")
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        figures = _write_draft(out, draft, options, metadata, advance)
        draft.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.rmdir()
        os.replace(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return figures


def _write_draft(
    out: Path, draft: Path, options: ExportOptions, metadata: RowMetadata, advance: Callable[[int], object]
) -> CardCounts:
    figures = CardCounts()
    waiting: dict[str, list[dict[str, Any]]] = {split: [] for split in FOLDERS}
    sizes = dict.fromkeys(FOLDERS, 0)
    with ExitStack() as stack:
        shards = {
            split: [
                stack.enter_context(Shards(_folder(draft, split, form), form, options.shard_bytes))
                for form in options.formats
            ]
            for split in FOLDERS
        }
        for row in read_rows(out):
            for flat in filter(options.has, flat_rows(row, metadata)):
                figures.add(flat["language"], flat["repository"], flat, metadata)
                split = flat["split"]
                waiting[split].append(flat)
                sizes[split] += sum(
                    len(flat[name] or "") for name in ("base", "ours", "theirs", "resolution")
                )
                if len(waiting[split]) >= _ROWS or sizes[split] >= _CHARACTERS:
                    _flush(shards[split], waiting[split])
                    sizes[split] = 0
            advance(1)
        for split, rows in waiting.items():
            _flush(shards[split], rows)
    return figures


def _folder(draft: Path, split: str, form: str) -> Path:
    """Where the files of a split are: a format a folder, because many tools read all files of one."""
    return draft / FOLDERS[split] if form == PARQUET else draft / form / FOLDERS[split]


def _flush(shards: list[Shards], rows: list[dict[str, Any]]) -> None:
    for one in shards:
        if rows:
            one.write(rows)
    rows.clear()
