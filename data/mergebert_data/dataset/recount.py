"""What mined data holds, counted again from its rows: after a change of flags, or for a part of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mergebert_data.dataset.statistics import Statistics, read_statistics, table_of
from mergebert_data.dataset.store import read_rows, replacing, write_json

_COUNTED = ("repository", "language", "kind", "conflicts")


def recounted(out: Path) -> dict[str, Any]:
    """What the rows of a mined folder hold, with what only the miner could count: merges and reasons to skip."""
    statistics = Statistics()
    for row in read_rows(out, _COUNTED):
        statistics.add(row["repository"], row["language"], row["conflicts"], row["kind"])
    figures = statistics.to_json()
    mined = read_statistics(out) if (out / "statistics.json").exists() else {}
    return mined | figures | {"counts": mined.get("counts", {})}


def write_statistics(out: Path, figures: dict[str, Any]) -> None:
    """Writes the counts of a mined folder for programs and for people."""
    write_json(out / "statistics.json", figures)
    with replacing(out / "statistics.md") as temporary:
        temporary.write_text(table_of(figures) + "\n", encoding="utf-8")
