"""Duplicates over a folder: which copy is flagged, what is written, and what leaks before and after."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mergebert_data.dataset import dedupe
from mergebert_data.dataset.dedupe import FoundDuplicates, duplicate_tables, found_duplicates, write_flags
from mergebert_data.dataset.leaks import leak_report, leak_table
from mergebert_data.dataset.splits import read_splits
from mergebert_data.dataset.statistics import recounted, write_statistics
from mergebert_data.dataset.store import EXAMPLES, SCHEMA, read_rows, rewrite
from tests.data.mined_rows import Hunk, file_of, mined_folder, numbered

SPLITS = {"a/train": "train", "b/test": "test", "c/development": "development", "d/train": "train"}


ROOT = Path(__file__).resolve().parent.parent.parent.parent
KILLED = """
import os, signal, sys
from pathlib import Path
from mergebert_data.dataset.store import rewrite
rewrite(Path(sys.argv[1]), lambda table, first: os.kill(os.getpid(), signal.SIGKILL) if first else table)
"""


def near(hunk: Hunk, word: str) -> Hunk:
    """The conflict with one of its hundred words replaced."""
    return Hunk(
        *(text.replace(word, "other") for text in (hunk.base, hunk.ours, hunk.theirs, hunk.resolution or ""))
    )


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Content 1 stands in train, test (twice) and development; content 2 nearly in train and test; 3 twice in train."""
    one, two, three = (numbered(number, words=100) for number in (1, 2, 3))
    files = [
        file_of("a/train", [one, three]),
        file_of("b/test", [numbered(4), one], merge=2),
        file_of("b/test", [one, two], "src/other.py", merge=3),
        file_of("c/development", [one, numbered(5)]),
        file_of("d/train", [near(two, "word2_50 "), three, numbered(6)], language="java"),
        file_of("d/train", [], "src/clean.py"),
    ]
    return mined_folder(tmp_path / "out", files, SPLITS)


def flagged(out: Path) -> list[list[bool]]:
    return [[one["duplicate"] for one in row["conflicts"]] for row in read_rows(out)]


def deduped(out: Path, threshold: float = 0.85) -> FoundDuplicates:
    seen: list[int] = []
    found = found_duplicates(out, read_splits(out), threshold, seen.append)
    assert sum(seen) == 6
    write_flags(out, found)
    return found


FLAGS = [[True, False], [False, False], [True, False], [True, False], [True, True, False], []]


def test_training_copies_are_flagged_and_held_out_ones_only_among_themselves(out: Path) -> None:
    before = list(read_rows(out))
    figures = deduped(out).to_json()
    assert flagged(out) == FLAGS
    after = list(read_rows(out))
    for row in (*before, *after):
        for conflict in row["conflicts"]:
            conflict.pop("duplicate")
    assert after == before
    assert pq.read_schema(out / EXAMPLES).equals(SCHEMA)
    assert figures["languages"] == {
        "java": {"conflicts": 3, "near": 1, "exact": 1, "across splits": 1},
        "python": {"conflicts": 8, "exact": 3, "across splits": 2},
    }
    assert "| train that repeats test, near | 1 |" in duplicate_tables(figures)
    assert "| all | 11 | 4 | 1 | 3 |" in duplicate_tables(figures)


def test_flags_are_made_anew_each_time(out: Path) -> None:
    deduped(out, 0.99)
    assert flagged(out)[4] == [False, True, False]
    deduped(out)
    deduped(out)
    assert flagged(out) == FLAGS


def test_the_table_names_what_repeats_what(out: Path) -> None:
    deduped(out)
    rows: list[dict[str, Any]] = pq.read_table(out / dedupe.DUPLICATES_FILE).to_pylist()
    assert len(rows) == 5
    (across,) = [row for row in rows if row["kind"] == "near"]
    assert across == {
        "repository": "d/train", "merge": "1c0".ljust(40, "0"), "path": "src/app.py", "index": 0, "language": "java",
        "kind": "near", "of_repository": "b/test", "of_merge": "3c0".ljust(40, "0"), "of_path": "src/other.py",
        "of_index": 1, "split": "train", "of_split": "test", "across_splits": True,
    }  # fmt: skip
    assert [row["across_splits"] for row in rows] == [False, True, True, True, False]


def test_what_leaks_is_told_until_it_is_flagged(out: Path) -> None:
    before = leak_report(out, found_duplicates(out, SPLITS, 0.85, bool))
    assert before["leaks"] == 3
    assert before["counts"][-1] == {"in": "train", "repeats": "test", "kind": "near", "conflicts": 1}
    told = leak_table(before)
    assert "d/train 1c0000000000 src/app.py #0\n    repeats b/test 3c0000000000 src/other.py #1" in told
    assert "mergebert dataset dedupe" in told
    deduped(out)
    after = leak_report(out, found_duplicates(out, SPLITS, 0.85, bool))
    assert (after["leaks"], after["flagged already"]) == (0, 3)
    assert leak_table(after) == "No conflict leaks from one split into another (3 are flagged)."


def test_without_splits_everything_is_training(out: Path) -> None:
    found = found_duplicates(out, {}, 0.85, bool)
    assert {one.split for one in found.duplicates} == {"train"}
    assert not found.to_json()["across"]
    assert "| none | 0 |" in duplicate_tables(found.to_json())


def test_statistics_follow_the_flags(out: Path) -> None:
    before = recounted(out)
    deduped(out)
    after = recounted(out)
    assert before["repositories"]["d/train"]["distinct"] == 3
    assert after["repositories"]["d/train"]["distinct"] == 1
    assert after["kinds"] == {"clean": 1, "conflict": 5}
    write_statistics(out, after | {"counts": {"merges": 9}})
    assert recounted(out)["counts"] == {"merges": 9}
    assert "| merges | 9 |" in (out / "statistics.md").read_text(encoding="utf-8")


def test_flags_that_cannot_be_written_leave_the_examples_as_they_were(out: Path) -> None:
    before = (out / EXAMPLES).read_bytes()
    with pytest.raises(OSError, match="full"):
        rewrite(out, full_disk)
    assert (out / EXAMPLES).read_bytes() == before
    assert not list(out.glob(".*"))


def full_disk(table: object, first: int) -> Any:
    raise OSError("the disk is full")


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_killed_while_flags_are_written_the_examples_are_as_they_were_and_the_next_time_goes_well(
    out: Path,
) -> None:
    pq.write_table(pq.read_table(out / EXAMPLES), out / EXAMPLES, row_group_size=2)
    before = (out / EXAMPLES).read_bytes()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "data")])}
    done = subprocess.run([sys.executable, "-c", KILLED, str(out)], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (out / EXAMPLES).read_bytes() == before
    assert len(list(out.glob(".*"))) == 1
    deduped(out)
    assert (flagged(out), list(out.glob(".*"))) == (FLAGS, [])
