"""What a run of the miner cost is kept, also of one that was cut short."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from mergebert_data.dataset.store import read_rows
from mergebert_data.mine.run_log import recorded


def test_runs_are_kept_in_order(tmp_path: Path) -> None:
    with recorded(tmp_path, 2) as first:
        first.merges = 10
    with pytest.raises(KeyboardInterrupt), recorded(tmp_path, 3) as second:
        second.merges = 5
        raise KeyboardInterrupt
    assert list(read_rows(tmp_path / "runs.jsonl")) == [asdict(first), asdict(second)]
    assert [run.jobs for run in (first, second)] == [2, 3]
    assert all(run.seconds >= 0 and run.peak_bytes > 1_000_000 for run in (first, second))


def test_a_run_in_a_sentence(tmp_path: Path) -> None:
    with recorded(tmp_path, 2) as run:
        run.merges = 50
    run.seconds, run.peak_bytes = 2.0, 300_000_000
    assert run.sentence() == "mined 50 merges in 2.0 s (25 merges/s, 2 processes, largest process 300 MB)"
