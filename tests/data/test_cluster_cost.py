"""The page about clusters: its costs are those of its rates, and its rates can be taken from a mined folder."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = spec_from_file_location("cluster_cost", ROOT / "benchmarks" / "cluster_cost.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_costs_of_the_page_are_those_of_its_rates(script: ModuleType) -> None:
    page = script.PAGE.read_text(encoding="utf-8")
    assert script.with_costs(page) == page
    faster = script.with_rates(page, {script.RATE: 2 * script.rates_of(page)[script.RATE]})
    assert script.with_costs(faster) != faster


def test_costs_by_hand(script: ModuleType) -> None:
    rates = script.rates_of(script.PAGE.read_text(encoding="utf-8")) | {
        script.MERGES_CAPPED: 1800,
        script.RATE: 100,
        script.LISTING: 3.6,
        script.MEGABYTES: 200,
    }
    table = script.costs(rates)
    assert "| merges | 180 million |" in table
    assert "| core hours to mine them | 500 |" in table
    assert "| core hours to list them | 100 | 100 |" in table
    assert "| TB of repositories | 20.0 | 20.0 |" in table


def test_rates_of_a_mined_folder(script: ModuleType, tmp_path: Path) -> None:
    for name, size in (("shards/one.parquet", 30), ("replays/one.json.gz", 10), ("examples.parquet", 20)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(size))
    counts = {"merges": 10, "milliseconds: replaying": 1500, "milliseconds: extracting": 500}
    figures = {"counts": counts, "languages": {"c": {"hunks": 4}, "go": {"hunks": 3}}}
    (tmp_path / "statistics.json").write_text(json.dumps(figures), encoding="utf-8")
    (tmp_path / "list.tsv").write_text(
        "# a list\nname\tlanguage\tMB\tmerges\na/b\tc\t10\t1000\nc/d\tgo\t30\t4000\n"
    )
    assert script.measured(tmp_path, tmp_path / "list.tsv") == {
        script.MERGES_MEAN: 2500,
        script.MERGES_MEDIAN: 2500,
        script.MERGES_CAPPED: 1750,
        script.MEGABYTES: 20,
        script.SHARD: 3,
        script.JOINED: 2,
        script.REPLAYS: 1,
        script.CONFLICTS: 0.7,
        script.RATE: 5,
    }
