from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mergebert.errors import ModelBundleError
from mergebert.ranking.ranker import Ranker
from mergebert.ranking.trees import Trees
from mergebert.training.export import lightgbm_trees
from mergebert.training.export.lightgbm_trees import write_trees

FLOATS = np.finfo(np.float32)
FEATURES = 4
ZERO = 1.1e-35  # LightGBM's kZeroThreshold and a little
# Features are finite or unknown, never infinite.
EXTREMES = [np.nan, FLOATS.max, FLOATS.min, FLOATS.tiny, -FLOATS.tiny, FLOATS.smallest_subnormal, 0.0, -0.0]
SETTINGS = {
    "objective": "regression",
    "num_leaves": 8,
    "min_data_in_leaf": 5,
    "learning_rate": 0.3,
    "max_bin": 63,
    "verbosity": -1,
    "num_threads": 1,
    "seed": 1,
}


def rows_of(seed: int, unknown: float) -> NDArray[np.float32]:
    """Rows of whole, tiny, huge and few values, with this share of them unknown."""
    draw = np.random.default_rng(seed)
    columns = [
        draw.integers(0, 4, 400).astype(float),
        draw.normal(size=400) / 3,
        draw.normal(size=400) * 1e-30,
        draw.choice([0.0, 0.1, 0.2, 1 / 3, 1e30, -1e30], 400),
    ]
    rows = np.stack(columns, axis=1)
    rows[draw.random(rows.shape) < unknown] = np.nan
    return rows.astype(np.float32)


def grown(rows: NDArray[np.float32], rounds: int = 30, **settings: Any) -> lightgbm.Booster:
    """Trees over a target that depends on every column and on what is unknown."""
    known = np.nan_to_num(rows.astype(np.float64), nan=-2.0)
    target = (
        known[:, 0]
        + np.sign(known[:, 1]) * 2
        + np.sign(known[:, 2])
        + np.sign(known[:, 3] - 0.15) * np.isnan(rows[:, 0])
    )
    return lightgbm.train(SETTINGS | settings, lightgbm.Dataset(rows, target), rounds)


def thresholds(booster: lightgbm.Booster) -> list[tuple[int, float]]:
    """Every (feature, threshold) the trees split at."""
    found: list[tuple[int, float]] = []
    queue = [info["tree_structure"] for info in booster.dump_model()["tree_info"]]
    while queue:
        node = queue.pop()
        if "threshold" in node:
            found.append((node["split_feature"], node["threshold"]))
            queue += [node["left_child"], node["right_child"]]
    return found


def neighbours(value: float) -> list[np.float32]:
    """The finite floats right below and above a value."""
    with np.errstate(over="ignore", under="ignore"):
        found = [np.nextafter(np.float32(value), np.float32(end)) for end in (-np.inf, np.inf)]
    return [one for one in found if np.isfinite(one)]


def around(booster: lightgbm.Booster) -> NDArray[np.float32]:
    """Rows that hold each threshold, its float neighbours and every extreme value in the column it splits."""
    rows = []
    for feature, threshold in thresholds(booster):
        value = np.float32(np.clip(threshold, FLOATS.min, FLOATS.max))
        # LightGBM takes what is nearer to zero than that for zero; it splits there, and no feature is that small.
        exact = [value, *neighbours(value)] if abs(threshold) > ZERO else []
        for one in [*exact, *EXTREMES]:
            for other in (0.0, np.nan, 1.0):
                row = np.full(FEATURES, other, np.float32)
                row[feature] = one
                rows.append(row)
    return np.array(rows, np.float32)


def answers(path: Path, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scores of an exported file, as the run time asks for them."""
    return Trees(path).scores(rows)


@pytest.mark.parametrize("unknown", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("seed", [1, 2])
def test_exported_trees_answer_as_the_trained_ones(seed: int, unknown: float, tmp_path: Path) -> None:
    booster = grown(rows_of(seed, unknown))
    probe = np.concatenate([rows_of(seed + 10, 0.3), around(booster)])
    assert len(thresholds(booster)) > 50

    difference = write_trees(booster, tmp_path / "trees.safetensors", probe)

    assert difference < 1e-4
    wanted = np.asarray(booster.predict(probe.astype(np.float64)))
    assert answers(tmp_path / "trees.safetensors", probe) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(
    "settings",
    [{"use_missing": False}, {"zero_as_missing": False, "max_bin": 3}, {"boost_from_average": False}],
)
def test_other_ways_to_grow(settings: dict[str, Any], tmp_path: Path) -> None:
    booster = grown(rows_of(3, 0.2), **settings)
    probe = np.concatenate([rows_of(4, 0.3), around(booster)])
    assert write_trees(booster, tmp_path / "trees.safetensors", probe) < 1e-4


def test_trees_of_a_single_leaf(tmp_path: Path) -> None:
    rows = rows_of(5, 0.1)
    booster = lightgbm.train(SETTINGS, lightgbm.Dataset(rows, np.full(len(rows), 0.7)), 3)
    assert thresholds(booster) == []
    write_trees(booster, tmp_path / "trees.safetensors", rows)
    assert answers(tmp_path / "trees.safetensors", rows) == pytest.approx(0.7)


def test_the_run_time_reads_them(tmp_path: Path) -> None:
    rows = rows_of(6, 0.2)
    booster = grown(rows)
    write_trees(booster, tmp_path / "trees.safetensors", rows)
    names = [f"f{at}" for at in range(FEATURES)]
    values = [dict(zip(names, map(float, row), strict=True)) for row in rows[:7]]
    ranker = Ranker(tmp_path / "trees.safetensors", names)
    [found] = ranker.probabilities(ranker.rows(values), [len(values)])
    scores = np.asarray(booster.predict(rows[:7]))
    assert found == pytest.approx(np.exp(scores) / np.exp(scores).sum(), abs=1e-4)


def test_trees_that_disagree_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(7, 0.2)
    booster = grown(rows)
    monkeypatch.setattr(lightgbm_trees, "_missing_goes_left", lambda node: node["default_left"] is False)
    with pytest.raises(ModelBundleError, match=r"differ from the trained ones by .*\.$"):
        write_trees(booster, tmp_path / "trees.safetensors", rows)
    assert list(tmp_path.iterdir()) == []


@given(st.floats(-1e300, 1e300), st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_compare_with_the_rounded_threshold_as_with_the_double(threshold: float, value: float) -> None:
    with np.errstate(over="ignore", under="ignore"):
        rounded = lightgbm_trees._float_below(threshold)
    assert rounded == np.float32(rounded)
    for one in (value, float(FLOATS.max), float(FLOATS.min), *map(float, neighbours(rounded))):
        assert (one <= rounded) == (one <= threshold)
