"""Mining many repositories: blocks of merges over processes, a shard a block, resumed where it stopped.

OUT/plans/       the merges of each repository, one a line: what memory need not hold
OUT/shards/      the examples of each finished block, written whole: kill -9 costs the blocks at work, no more
OUT/scratch/     where git replays merges; empty when nothing runs
OUT/examples.parquet, statistics.json, statistics.md, splits.json: made of the shards at the end
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from git.exc import GitCommandError

from mergebert.errors import DatasetError, GitError
from mergebert.markers import parse
from mergebert_data.extract import Extractor, content_key
from mergebert_data.history import Merge, Source, merges, open_source
from mergebert_data.replay import Scratch
from mergebert_data.splits import Member, assigned
from mergebert_data.statistics import Statistics, table_of
from mergebert_data.store import (
    COMPRESSION,
    SCHEMA,
    read_shard,
    replacing,
    write_json,
    write_json_lines,
    write_shard,
)

VERSION = 2  # of what a shard holds; raise it when the same merge gives other examples
BLOCK = 200  # merges a task: some seconds of work, the most that a crash costs
_LINE = 3 * 41  # bytes of a line of a plan


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides which examples are mined."""

    out: Path
    max_merges: int | None = None
    seed: int = 0
    jobs: int = 1
    json_lines: bool = False
    minutes: float | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """A run of merges of one repository, and the shard its examples go to."""

    source: Source
    plan: Path
    start: int
    count: int
    shard: Path

    def merges(self) -> list[Merge]:
        """The merges, read from the plan."""
        with self.plan.open("rb") as plan:
            plan.seek(self.start * _LINE)
            lines = plan.read(self.count * _LINE).decode().split("\n")
        return [Merge(*line.split(" ")) for line in lines if line]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far mining has come; `failure` says why the last block gave nothing."""

    merges: int
    files: int = 0
    located: int = 0
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The blocks of all repositories, and why some repositories have none."""

    blocks: tuple[Block, ...]
    families: Mapping[str, str]
    skipped: Mapping[str, str]

    @property
    def merges(self) -> int:
        """The merges of all blocks."""
        return sum(block.count for block in self.blocks)


def planned(repositories: Sequence[Path], settings: Settings, name: str | None = None) -> Plan:
    """What to mine: repositories in turns, so that whenever it stops all of them have had their share."""
    _prepare(settings.out)
    columns, families, skipped = [], {}, {}
    for path in repositories:
        try:
            source = open_source(path, name)
            if source.name in families:
                raise GitError(
                    f"{path} is {source.name}, which is already among the repositories; give it once."
                )
            columns.append(_blocks(source, settings))
            families[source.name] = source.family
        except GitError as error:
            skipped[str(path)] = str(error)
    turns = (block for row in zip_longest(*columns) for block in row if block is not None)
    return Plan(tuple(turns), families, skipped)


def mined(plan: Plan, settings: Settings) -> Iterator[Progress]:
    """Mines every block that has no shard yet, reporting each; ends early when the minutes are over."""
    deadline = None if settings.minutes is None else time.monotonic() + 60 * settings.minutes
    todo = []
    for block in plan.blocks:
        if block.shard.exists():
            yield Progress(block.count)
        else:
            todo.append(block)
    yield from _mined(todo, settings.jobs, deadline)


def _mined(todo: Sequence[Block], jobs: int, deadline: float | None) -> Iterator[Progress]:
    """Mines blocks over processes, never more of them handed out than are worked on soon."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _end_with_parent, max_tasks_per_child=64) as pool:
        waiting = iter(todo)
        running: set[Future[Progress]] = set()
        while True:
            while len(running) < 2 * jobs and (deadline is None or time.monotonic() < deadline):
                following = next(waiting, None)
                if following is None:
                    break
                running.add(pool.submit(mine_block, following))
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            yield from map(_result, finished)


def _result(future: Future[Progress]) -> Progress:
    try:
        return future.result()
    except BrokenProcessPool as error:
        advice = "run the same command again to go on, with fewer --jobs if memory is short"
        raise DatasetError(f"A mining process was killed; {advice}.") from error


def mine_block(block: Block) -> Progress:
    """Mines one block into its shard."""
    try:
        return _mine_block(block)
    except (GitCommandError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[-200:]
        return Progress(block.count, failure=f"{block.source.name}: {reason}")


def joined(plan: Plan, settings: Settings) -> Statistics:
    """Joins the shards of the plan into the dataset, duplicates flagged, and writes what was counted."""
    statistics = Statistics()
    statistics.counts["repositories"] = len(plan.families)
    statistics.counts["repository: skipped"] = len(plan.skipped)
    shards = [
        block.shard for block in sorted(plan.blocks, key=lambda block: (block.source.name, block.start))
    ]
    examples = settings.out / "examples.parquet"
    with (
        replacing(examples) as temporary,
        pq.ParquetWriter(temporary, SCHEMA, compression=COMPRESSION) as out,
    ):
        for table in _distinct(shards, statistics):
            out.write_table(table)
    if settings.json_lines:
        write_json_lines(examples, settings.out / "examples.jsonl")
    _write_summaries(plan, settings, statistics)
    return statistics


def _prepare(out: Path) -> None:
    """Makes the folders, without what a killed run left half done."""
    shutil.rmtree(out / "scratch", ignore_errors=True)
    for folder in ("plans", "shards", "scratch"):
        (out / folder).mkdir(parents=True, exist_ok=True)
        for half in (out / folder).glob(".*.part"):
            half.unlink()


def _end_with_parent() -> None:
    """Makes a worker end when the process that started it is gone, even by kill -9."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _blocks(source: Source, settings: Settings) -> list[Block]:
    """The blocks of one repository; its merges are written to a plan, a line of fixed length each."""
    found = merges(source, settings.max_merges, settings.seed)
    lines = [f"{merge.commit} {merge.ours} {merge.theirs}\n" for merge in found]
    stem = source.name.replace("/", "+")
    path = settings.out / "plans" / f"{stem}.txt"
    with replacing(path) as temporary:
        temporary.write_text("".join(lines), encoding="ascii", newline="\n")
    blocks = []
    for start in range(0, len(lines), BLOCK):
        part = lines[start : start + BLOCK]
        mark = blake2b(f"{VERSION} {source.name} {''.join(part)}".encode(), digest_size=6).hexdigest()
        shard = settings.out / "shards" / f"{stem}-{start // BLOCK:04}-{mark}.parquet"
        blocks.append(Block(source, path, start, len(part), shard))
    # Neighbouring merges share objects git has just read, so merges keep their order; blocks do not, so that
    # mining cut short has still seen every age of the history.
    random.Random(f"{settings.seed} {source.name}").shuffle(blocks)
    return blocks


def _mine_block(block: Block) -> Progress:
    counts: Counter[str] = Counter(merges=block.count)
    examples, keys = [], []
    with Scratch(block.source, block.shard.parent.parent / "scratch") as scratch:
        extractor = Extractor(block.source.name, scratch)
        for replay in scratch.replayed(block.merges()):
            counts.update(
                {"merge: git gave up": replay.conflicts is None, "merge: conflicted": bool(replay.conflicts)}
            )
            found = extractor.examples(replay)
            counts["merge: with examples"] += bool(found)
            examples += found
    for example in examples:
        conflicts = parse(example.conflicted, 7).conflicts
        resolutions = [conflict.resolution for conflict in example.conflicts]
        keys.append([content_key(*pair) for pair in zip(conflicts, resolutions, strict=True)])
    write_shard(block.shard, examples, keys, +(counts + extractor.dropped))
    located = sum(conflict.resolution is not None for example in examples for conflict in example.conflicts)
    return Progress(block.count, len(examples), located)


def _distinct(shards: Sequence[Path], statistics: Statistics) -> Iterator[pa.Table]:
    """The rows of the shards without files that came before; conflicts that came before are flagged."""
    seen: set[bytes] = set()
    files: set[bytes] = set()
    for shard in shards:
        if not shard.exists():
            statistics.counts["block: not mined"] += 1
            continue
        table, counts = read_shard(shard)
        statistics.counts.update(counts)
        flagged, is_new = [], []
        for row in table.select(["repository", "path", "language", "conflicts", "content_keys"]).to_pylist():
            file = blake2b(f"{row['path']} {row['content_keys']}".encode(), digest_size=12).digest()
            is_new.append(file not in files)
            if file in files:
                statistics.counts["file: same conflict and result seen before"] += 1
                continue
            files.add(file)
            for conflict, key in zip(row["conflicts"], map(bytes.fromhex, row["content_keys"]), strict=True):
                conflict["duplicate"] = key in seen
                seen.add(key)
            statistics.add(row["repository"], row["language"], row["conflicts"])
            flagged.append(row["conflicts"])
        table = table.filter(pa.array(is_new, pa.bool_()))
        at = table.schema.get_field_index("conflicts")
        column = pa.array(flagged, SCHEMA.field("conflicts").type)
        yield table.set_column(at, SCHEMA.field("conflicts"), column).select(SCHEMA.names).cast(SCHEMA)


def _write_summaries(plan: Plan, settings: Settings, statistics: Statistics) -> None:
    figures = statistics.to_json() | {"skipped": dict(plan.skipped)}
    write_json(settings.out / "statistics.json", figures)
    with replacing(settings.out / "statistics.md") as temporary:
        temporary.write_text(table_of(figures) + "\n", encoding="utf-8")
    members = {
        name: Member(plan.families[name], language, statistics.repositories[name]["distinct"])
        for name, language in statistics.main_languages().items()
    }
    write_json(settings.out / "splits.json", assigned(members, settings.seed))
