"""Trees as ONNX, exactly: every split and every unknown value goes the way LightGBM sends it.

Written here because converters round LightGBM's double thresholds to the nearest float, which moves values that lie
on a threshold to the other branch, and send NaN the same way in every node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnx
from onnx import TensorProto, helper

from mergebert.errors import ModelBundleError

TOLERANCE = 1e-4  # sums of a few hundred float leaves against LightGBM's doubles


def write_trees(booster: lightgbm.Booster, features: int, path: Path, probe: np.ndarray[Any, Any]) -> float:
    """Writes the trees as an ONNX regressor [rows, features] -> [rows, 1] after comparing it on `probe`.

    The largest difference seen; raises ModelBundleError, writing nothing, where the two disagree.
    """
    model = _model(booster, features)
    difference = float(np.abs(_onnx_scores(model, probe) - np.asarray(booster.predict(probe))).max())
    if difference > TOLERANCE * max(1.0, booster.num_trees() / 100):
        raise ModelBundleError(
            f"The exported trees differ from the trained ones by {difference:.2g}; report this."
        )
    path.write_bytes(model.SerializeToString())
    return difference


def _model(booster: lightgbm.Booster, features: int) -> onnx.ModelProto:
    columns: dict[str, list[Any]] = defaultdict(list)
    for tree, info in enumerate(booster.dump_model()["tree_info"]):
        for number, (node, yes, no) in enumerate(_nodes(info["tree_structure"])):
            _add_node(columns, (tree, number), node, (yes, no))
    regressor = helper.make_node(
        "TreeEnsembleRegressor",
        ["features"],
        ["scores"],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        **columns,  # type: ignore[arg-type]
    )
    graph = helper.make_graph(
        [regressor],
        "trees",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, features])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 1])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _nodes(root: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int, int]]:
    """The nodes of a tree in the order of their numbers, each with the numbers of its two children."""
    queue, at = [root], 0
    while at < len(queue):
        node = queue[at]
        at += 1
        if "split_index" in node:
            yield node, len(queue), len(queue) + 1
            queue += [node["left_child"], node["right_child"]]
        else:
            yield node, 0, 0


def _add_node(
    columns: dict[str, list[Any]], place: tuple[int, int], node: dict[str, Any], children: tuple[int, int]
) -> None:
    tree, number = place
    is_split = "split_index" in node
    threshold = _float_below(node["threshold"]) if is_split else 0.0
    columns["nodes_treeids"].append(tree)
    columns["nodes_nodeids"].append(number)
    columns["nodes_featureids"].append(node["split_feature"] if is_split else 0)
    columns["nodes_modes"].append("BRANCH_LEQ" if is_split else "LEAF")
    columns["nodes_values"].append(threshold)
    columns["nodes_truenodeids"].append(children[0])
    columns["nodes_falsenodeids"].append(children[1])
    columns["nodes_missing_value_tracks_true"].append(int(is_split and _missing_goes_left(node)))
    if not is_split:
        columns["target_treeids"].append(tree)
        columns["target_nodeids"].append(number)
        columns["target_ids"].append(0)
        columns["target_weights"].append(node["leaf_value"])


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


def _onnx_scores(model: onnx.ModelProto, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"features": rows.astype(np.float32)})[0])[:, 0]
