from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mergebert.ranking.columns import CHANGE_TYPES, MAX_COLUMNS
from mergebert.text.align import Change
from mergebert.text.languages import by_name
from mergebert.text.threeway import ThreeWay
from mergebert.training.dataset.clean_windows import WINDOWS_A_FILE, columns_of, prepare_clean, windows
from mergebert.training.network.batches import EncodedColumns
from mergebert.training.storage import read_arrays
from tests.training.synthetic import clean_example

PYTHON = by_name("python")


def subwords(token: str) -> tuple[int, ...]:
    return (5 + len(token),)


def text(**lines: str) -> str:
    """Twenty numbered lines, some of them replaced: `at7="x"` replaces line 7."""
    return "".join(f"{lines.get(f'at{at}', f'line {at}')}\n" for at in range(20))


def test_changes_near_each_other_share_a_window_and_others_do_not() -> None:
    stages = ThreeWay(text(), text(at3="ours", at14="mine"), text(at5="theirs"))
    found = list(windows(stages, PYTHON))
    assert [tuple(diff.conflict.sides) for diff, _ in found] == [
        ("line 3\nline 4\nline 5\n", "ours\nline 4\nline 5\n", "line 3\nline 4\ntheirs\n"),
        ("line 14\n", "mine\n", "line 14\n"),
    ]
    assert found[0][1].before == "line 0\nline 1\nline 2\n"
    assert found[0][1].after == "line 6\nline 7\nline 8\nline 9\n"


def test_nothing_changed_is_no_window() -> None:
    assert list(windows(ThreeWay(text(), text(), text()), PYTHON)) == []


def test_columns_say_who_changed_what() -> None:
    example = clean_example("own/er", 1)
    found = list(columns_of(example, subwords))
    assert 0 < len(found) <= WINDOWS_A_FILE
    changes = {CHANGE_TYPES[kind] for row in found for kind in row.kinds[:, 2]}
    assert {Change.OURS.value, Change.THEIRS.value} <= changes
    assert not {Change.DISPUTED.value, "head"} & changes
    assert all(len(row.ids) <= MAX_COLUMNS for row in found)


@pytest.mark.parametrize("most", [3, 100])
def test_windows_of_a_repository_are_written_as_arrays(most: int, tmp_path: Path) -> None:
    files = [clean_example("own/er", number) for number in range(6)]
    wanted = [row for one in files for row in columns_of(one, subwords)]
    count = prepare_clean(files, subwords, most, tmp_path / "a.npz")
    prepare_clean(files[::-1], subwords, most, tmp_path / "b.npz")
    arrays = read_arrays(tmp_path / "a.npz")
    assert count == len(arrays["ids_sizes"]) == min(most, len(wanted))
    assert arrays["ids"].dtype == np.int16 and arrays["kinds"].dtype == np.int8
    assert all(np.array_equal(value, read_arrays(tmp_path / "b.npz")[name]) for name, value in arrays.items())
    found = EncodedColumns()
    found.add(arrays)
    known = [row.ids.tolist() for row in wanted]
    assert len(found.ids) == count
    assert all(row.tolist() in known for row in found.ids)


def test_a_repository_without_windows_is_no_error(tmp_path: Path) -> None:
    assert prepare_clean([], subwords, 5, tmp_path / "a.npz") == 0
    found = EncodedColumns()
    found.add(read_arrays(tmp_path / "a.npz"))
    assert found.ids == []
