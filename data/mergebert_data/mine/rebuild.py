"""Examples rebuilt from a manifest and local repositories: the same rows, or a counted reason why not."""

from __future__ import annotations

import multiprocessing
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mergebert.errors import DatasetError
from mergebert.strict_json import write_json
from mergebert.text.threeway import ThreeWay
from mergebert_data.dataset.manifest import example_row, read_manifest, text_sha256
from mergebert_data.dataset.splits import SPLITS_FILE
from mergebert_data.dataset.statistics import recounted, write_statistics
from mergebert_data.dataset.store import EXAMPLES, SCHEMA, arrow_file, parquet_writer, write_table
from mergebert_data.history.merges import MergeCommit
from mergebert_data.history.replay import ScratchRepository
from mergebert_data.history.repository import SourceRepository
from mergebert_data.history.stored_merge import stored_merge
from mergebert_data.mine.filters import text_of

NOT_GIVEN = "repository not given"
MISSING = "a commit or file is missing in the repository"
CONFLICTS_DIFFER = "this git cuts its conflicts otherwise"
_PIECE = 200  # rows a task
_SIDES = ("base", "ours", "theirs")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a manifest, all of one repository, and the file their examples go to."""

    source: SourceRepository
    rows: tuple[dict[str, Any], ...]
    part: Path


def rebuilt(
    manifest: Path,
    sources: Mapping[str, SourceRepository],
    out: Path,
    jobs: int,
    advance: Callable[[int], object],
) -> Counter[str]:
    """Rebuilds OUT/examples.parquet with its splits and statistics; the count of rows, and of those left out by reason."""
    out.mkdir(parents=True, exist_ok=True)
    scratch = Path(mkdtemp(prefix="scratch-", dir=out))
    counts: Counter[str] = Counter(rows=0)
    split_of: dict[str, str] = {}
    try:
        with parquet_writer(out / EXAMPLES) as table:
            pieces = _pieces(_rows_of_sources(manifest, sources, split_of, counts, advance), sources, scratch)
            for part, skipped in _made(pieces, jobs):
                with arrow_file(part) as file:
                    found = pq.read_table(file, schema=SCHEMA)
                table.write_table(found)
                part.unlink()
                counts.update(skipped, rows=found.num_rows)
                advance(found.num_rows + skipped.total())
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    write_json(out / SPLITS_FILE, {name: split_of[name] for name in sorted(split_of)})
    write_statistics(out, recounted(out))
    return counts


def rebuilt_row(
    row: Mapping[str, Any], scratch: ScratchRepository, replayed: set[str]
) -> dict[str, Any] | str:
    """The example of a row of a manifest, or why there is none; `replayed` holds the merges that were replayed for it."""
    blobs = [row["blobs"][side] for side in _SIDES]
    contents = scratch.contents([*blobs, row["merged_blob"]])
    if None in contents[:3] and row["merge"] not in replayed:
        # The base of a criss-cross merge is a file that only merging makes.
        replayed.add(row["merge"])
        for _ in scratch.replayed([MergeCommit(row["merge"], row["ours_commit"], row["theirs_commit"])]):
            contents = scratch.contents([*blobs, row["merged_blob"]])
    texts = [text_of(content)[0] for content in contents if content is not None]
    if len(texts) < len(contents):
        return MISSING
    stages = ThreeWay(*texts[:3])
    conflicted = stored_merge(stages)
    if conflicted is None or text_sha256(conflicted) != row["conflicted_sha256"]:
        return CONFLICTS_DIFFER
    return example_row(row, dict(zip(_SIDES, stages, strict=True)), conflicted, texts[3])


def _made_piece(piece: Piece) -> tuple[Path, Counter[str]]:
    """Writes the examples of a piece."""
    skipped: Counter[str] = Counter()
    rows = []
    replayed: set[str] = set()
    with ScratchRepository(piece.source, piece.part.parent) as scratch:
        for row in piece.rows:
            found = rebuilt_row(row, scratch, replayed)
            if isinstance(found, str):
                skipped[found] += 1
            else:
                rows.append(found)
    write_table(piece.part, pa.Table.from_pylist(rows, SCHEMA))
    return piece.part, skipped


def _rows_of_sources(
    manifest: Path,
    sources: Mapping[str, SourceRepository],
    split_of: dict[str, str],
    counts: Counter[str],
    advance: Callable[[int], object],
) -> Iterator[dict[str, Any]]:
    """The rows whose repository is there; notes the split of each repository and counts the others."""
    for row in read_manifest(manifest):
        name = row["repository"]
        if name not in sources:
            counts[NOT_GIVEN] += 1
            advance(1)
            continue
        if row["split"]:
            split_of[name] = row["split"]
        yield row


def _pieces(
    rows: Iterator[dict[str, Any]], sources: Mapping[str, SourceRepository], folder: Path
) -> Iterator[Piece]:
    number = 0
    for name, group in groupby(rows, key=lambda row: str(row["repository"])):
        while some := [row for _, row in zip(range(_PIECE), group, strict=False)]:
            yield Piece(sources[name], tuple(some), folder / f"{number:06}.parquet")
            number += 1


def _made(pieces: Iterator[Piece], jobs: int) -> Iterator[tuple[Path, Counter[str]]]:
    """Every piece made, in order, by processes; at most two pieces a process wait."""
    if jobs == 1:
        yield from map(_made_piece, pieces)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        running: deque[Future[tuple[Path, Counter[str]]]] = deque()
        for piece in pieces:
            running.append(pool.submit(_made_piece, piece))
            if len(running) > 2 * jobs:
                yield _result(running.popleft())
        while running:
            yield _result(running.popleft())


def _result(future: Future[tuple[Path, Counter[str]]]) -> tuple[Path, Counter[str]]:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise DatasetError(
            "A process was killed while it rebuilt; run again, with fewer --jobs if memory is short."
        ) from error
