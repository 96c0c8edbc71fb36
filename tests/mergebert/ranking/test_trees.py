from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from mergebert.errors import ModelBundleError
from mergebert.ranking.ranker import Ranker
from mergebert.ranking.trees import ARRAYS, ROWS, Trees

# Column 0 up to 0.5 (or unknown) goes to a split of column 1, else to a leaf of 7; and a tree that is one leaf.
PLAIN: dict[str, list[Any]] = {
    "features": [0, 1],
    "thresholds": [0.5, 2.0],
    "left": [1, -2],
    "right": [-1, -3],
    "unknown_left": [1, 0],
    "roots": [0, -4],
    "leaves": [7.0, 1.0, 2.0, 100.0],
}


def written(path: Path, **changed: Any) -> Path:
    arrays = {
        name: np.array(values, ARRAYS.get(name, np.int32)) for name, values in (PLAIN | changed).items()
    }
    save_file(arrays, path)
    return path


def test_a_row_adds_the_leaf_of_every_tree(tmp_path: Path) -> None:
    trees = Trees(written(tmp_path / "trees"))
    rows = np.array([[1, 0], [0.5, 2], [0, 3], [np.nan, 1], [np.nan, np.nan]], np.float32)
    assert trees.scores(rows).tolist() == [107, 101, 102, 101, 102]
    assert trees.scores(rows[:0]).tolist() == []


def test_many_rows_are_scored_like_few(tmp_path: Path) -> None:
    trees = Trees(written(tmp_path / "trees"))
    rows = np.random.default_rng(0).normal(size=(2 * ROWS + 3, 2)).astype(np.float32)
    assert trees.scores(rows).tolist() == [trees.scores(row[None])[0] for row in rows]


@pytest.mark.parametrize(
    "changed",
    [
        {"left": [0, -2]},  # a circle
        {"right": [-1, 0]},  # back to the parent
        {"left": [2, -2]},  # a split that is not there
        {"right": [-1, -5]},  # a leaf that is not there
        {"roots": [2]},
        {"roots": [-5]},
        {"features": [-1, 0]},
        {"thresholds": [0.5]},
        {"leaves": []},
        {"leaves": [7.0, 1.0, np.nan, 100.0]},
        {"leaves": [7.0, 1.0, 3.39e38, 100.0]},
        {"leaves": [7.0, 1.0, -747.0, 100.0]},
        {"thresholds": [0.5, np.nan]},
        {"thresholds": [np.inf, 2.0]},
        {"more": [1]},
    ],
)
def test_arrays_that_are_no_trees_are_refused(changed: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ModelBundleError, match=r"holds no trees"):
        Trees(written(tmp_path / "trees", **changed))


def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trees").write_bytes(b"no tensors")
    with pytest.raises(ModelBundleError, match=r"cannot be loaded"):
        Trees(tmp_path / "trees")
    with pytest.raises(ModelBundleError, match=r"cannot be loaded"):
        Trees(tmp_path / "nothing")


def test_features_without_a_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelBundleError, match=r"does not name"):
        Ranker(written(tmp_path / "trees"), ["only one"])
