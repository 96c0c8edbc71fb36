"""The shards of a plan joined into one dataset, duplicates dropped or flagged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa

from mergebert.strict_json import write_json
from mergebert_data.dataset.families import assigned_by_family
from mergebert_data.dataset.repositories import write_facts
from mergebert_data.dataset.splits import SPLITS_FILE, assigned_splits
from mergebert_data.dataset.statistics import Statistics, write_statistics
from mergebert_data.dataset.store import (
    SCHEMA,
    parquet_writer,
    read_rows,
    read_shard,
    write_json_lines,
)
from mergebert_data.mine.plan import MiningPlan, MiningSettings


def joined(plan: MiningPlan, settings: MiningSettings) -> Statistics:
    """Joins the shards of the plan into the dataset, with its summaries; the statistics of what was mined."""
    statistics = Statistics()
    statistics.counts["repositories"] = len(plan.facts)
    statistics.counts["repository: skipped"] = len(plan.skipped)
    statistics.counts["repository: no merge to mine"] = len(
        plan.facts.keys() - {block.source.name for block in plan.blocks}
    )
    statistics.counts.update(plan.left_out)
    shards = [
        block.shard for block in sorted(plan.blocks, key=lambda block: (block.source.name, block.start))
    ]
    examples = settings.out / "examples.parquet"
    with parquet_writer(examples) as out:
        for table in _distinct(shards, statistics):
            out.write_table(table)
    if settings.json_lines:
        write_json_lines(settings.out / "examples.jsonl", read_rows(examples))
    _write_summaries(plan, settings, statistics)
    return statistics


def _distinct(shards: Sequence[Path], statistics: Statistics) -> Iterator[pa.Table]:
    """The rows of the shards without duplicate files; duplicate conflicts are flagged, and twins: files of the same versions
    that people merged otherwise."""
    seen: set[bytes] = set()
    files: set[bytes] = set()
    versions: set[tuple[str, ...]] = set()
    for shard in shards:
        if not shard.exists():
            statistics.counts["block: not mined"] += 1
            continue
        table, counts = read_shard(shard)
        statistics.counts.update(counts)
        flagged, is_new, is_twin = [], [], []
        for row in table.select(_KEY_COLUMNS).to_pylist():
            file = _file_key(row)
            is_new.append(file not in files)
            if file in files:
                statistics.counts["file: same conflict and result seen before"] += 1
                continue
            files.add(file)
            for conflict, key in zip(row["conflicts"], map(bytes.fromhex, row["content_keys"]), strict=True):
                conflict["duplicate"] = key in seen
                seen.add(key)
            statistics.add(row["repository"], row["language"], row["conflicts"], row["kind"])
            flagged.append(row["conflicts"])
            blobs = tuple(row["blobs"].values())
            is_twin.append(blobs in versions)
            versions.add(blobs)
        table = table.filter(pa.array(is_new, pa.bool_()))
        for name, values in (("conflicts", flagged), ("is_twin", is_twin)):
            field = SCHEMA.field(name)
            table = table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))
        yield table.select(SCHEMA.names).cast(SCHEMA)


_KEY_COLUMNS = ["repository", "path", "kind", "language", "blobs", "conflicts", "content_keys"]


def _file_key(row: Mapping[str, Any]) -> bytes:
    """A hash that duplicate files share: of path and conflicts, or of path and versions where nothing conflicts."""
    content = row["content_keys"] or sorted(row["blobs"].items())
    return blake2b(f"{row['path']} {content}".encode("utf-8", "surrogateescape"), digest_size=12).digest()


def _write_summaries(plan: MiningPlan, settings: MiningSettings, statistics: Statistics) -> None:
    figures = statistics.to_json() | {"skipped": dict(plan.skipped)}
    write_statistics(settings.out, figures)
    write_facts(settings.out, plan.facts)
    kept = assigned_splits(settings.out)
    split_of = assigned_by_family(settings.out, statistics.repositories, settings.seed, kept)
    write_json(settings.out / SPLITS_FILE, split_of)
