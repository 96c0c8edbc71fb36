from __future__ import annotations

from pathlib import Path

import pytest

from mergebert.training.dataset.mined import examples_of, first_merges
from mergebert_data.dataset.store import ROWS, batches, numbered_rows, read_rows
from tests.data.mined_rows import file_of, mined_folder, numbered

MOST = 3 * ROWS


@pytest.fixture
def mined(tmp_path: Path) -> Path:
    """One row group of several parts: a repository of many merges between two of one."""
    names = ["own/a", *["own/b"] * (MOST - 2), "own/c"]
    files = [file_of(name, [numbered(at)], merge=at) for at, name in enumerate(names)]
    return mined_folder(tmp_path / "mined", files, {}, group=MOST)


def test_rows_are_read_in_parts_and_in_order(mined: Path) -> None:
    assert [len(batch) for batch in batches(mined, ROWS)] == [ROWS] * 3
    assert [row["repository"] for row in read_rows(mined)][:: MOST - 1] == ["own/a", "own/c"]


@pytest.mark.parametrize("numbers", [[], [0], [MOST - 1], [MOST - 1, 0], [ROWS - 1, ROWS], [*range(MOST)]])
def test_rows_are_found_by_number_whatever_parts_have_none(mined: Path, numbers: list[int]) -> None:
    rows = list(read_rows(mined))
    found = list(numbered_rows(mined, numbers))
    assert found == [(number, rows[number]) for number in sorted(numbers)]


@pytest.mark.parametrize("name", ["own/a", "own/b", "own/c"])
def test_training_reads_a_repository_whatever_parts_have_none_of_it(mined: Path, name: str) -> None:
    found = [(repository, [one.merge for one in ones]) for repository, ones in examples_of(mined, [name])]
    assert found == [(name, [row["merge"] for row in read_rows(mined) if row["repository"] == name])]


def test_the_first_merges_are_those_of_the_least_ids(mined: Path) -> None:
    merges = sorted(row["merge"] for row in read_rows(mined) if row["repository"] == "own/b")
    assert first_merges(mined, ["own/b"], 3) == {"own/b": frozenset(merges[:3])}
