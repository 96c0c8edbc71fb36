"""LightGBM's trees as the arrays that mergebert.ranking.trees scores: every split and every unknown value goes the same way."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from safetensors.numpy import save

from mergebert.errors import ModelBundleError
from mergebert.ranking.trees import ARRAYS, Trees

TOLERANCE = 1e-4  # float leaves against LightGBM's doubles


def write_trees(booster: lightgbm.Booster, path: Path, probe: np.ndarray[Any, Any]) -> float:
    """Writes the trees and compares them with LightGBM on the rows of `probe`.

    The largest difference seen; raises ModelBundleError, leaving no file, where the two disagree.
    """
    columns: dict[str, list[Any]] = defaultdict(list)
    for info in booster.dump_model()["tree_info"]:
        columns["roots"].append(_add_tree(columns, info["tree_structure"]))
    path.write_bytes(save({name: np.array(columns[name], kind) for name, kind in ARRAYS.items()}))
    wanted = np.asarray(booster.predict(probe))
    difference = float(np.abs(Trees(path).scores(probe.astype(np.float32)) - wanted).max())
    if difference > TOLERANCE * max(1.0, float(np.abs(wanted).max())):
        path.unlink()
        raise ModelBundleError(
            f"The exported trees differ from the trained ones by {difference:.2g}; report this."
        )
    return difference


def _add_tree(columns: dict[str, list[Any]], root: dict[str, Any]) -> int:
    """Adds the splits and leaves of a tree, parents before children; where its root stands."""
    if "split_index" not in root:
        return _add_leaf(columns, root)
    first = len(columns["features"])
    queue = [root]
    for node in queue:  # grows while it is walked
        columns["features"].append(node["split_feature"])
        columns["thresholds"].append(_float_below(node["threshold"]))
        columns["unknown_left"].append(_missing_goes_left(node))
        for side in ("left", "right"):
            child = node[f"{side}_child"]
            if "split_index" in child:
                queue.append(child)
                columns[side].append(first + len(queue) - 1)
            else:
                columns[side].append(_add_leaf(columns, child))
    return first


def _add_leaf(columns: dict[str, list[Any]], leaf: dict[str, Any]) -> int:
    columns["leaves"].append(leaf["leaf_value"])
    return -len(columns["leaves"])


def _missing_goes_left(node: dict[str, Any]) -> bool:
    """Where LightGBM sends NaN: the default side, or, where it saw none in training, the side of zero."""
    if node["missing_type"] == "NaN":
        return bool(node["default_left"])
    return bool(node["threshold"] >= 0.0)


def _float_below(threshold: float) -> float:
    """The greatest float that is no greater than `threshold`: floats compare with it as they do with the double."""
    largest = float(np.finfo(np.float32).max)  # LightGBM writes 1e308 where every known value goes left
    rounded = np.float32(min(max(threshold, -largest), largest))
    return float(np.nextafter(rounded, np.float32(-np.inf))) if float(rounded) > threshold else float(rounded)
