"""Bundles made by hand: models that say what a test wants, so that what is around them can be watched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from mergebert.ranking.bundle import FIRST, MODEL, RANKER, TOKENIZER, write_manifest
from mergebert.ranking.columns import CONFLICT_CLASSES
from mergebert.ranking.trees import ARRAYS
from mergebert.text.patterns import PATTERNS
from mergebert.training.dataset.tokenizer import save, trained_tokenizer
from tests.mergebert.ranking.risks import plain_risk

Weights = Mapping[str, float]

STEPS = 8  # of a feature between two whole numbers
STRAIGHT = [(0.0, 0.0), (1.0, 1.0)]
RISK = plain_risk((0.9, 0.2, 0.01), (0.5, 0.6, 0.04), (0.3, 0.8, 0.3))
CALIBRATION = {
    "best": STRAIGHT,
    "risk": RISK,
}


def write_linear(path: Path, weights: Weights) -> None:
    """A ranker whose score is the weighted sum of the features that are known, to an eighth: a stump a step."""
    steps = np.arange(-32, 512)
    columns: dict[str, list[float]] = {name: [] for name in ARRAYS}
    for column, weight in enumerate(weights.values()):
        for step in steps:
            # Above zero a step adds where the value is greater, below it takes away where it is not; NaN is zero.
            taken, added = (-weight / STEPS, 0.0) if step < 0 else (0.0, weight / STEPS)
            columns["roots"].append(len(columns["features"]))
            columns["features"].append(column)
            columns["thresholds"].append((step + 0.5) / STEPS)
            columns["unknown_left"].append(step >= 0)
            for side, leaf in (("left", taken), ("right", added)):
                columns["leaves"].append(leaf)
                columns[side].append(-len(columns["leaves"]))
    save_file({name: np.array(columns[name], kind) for name, kind in ARRAYS.items()}, path)


def write_classifier(path: Path, classes: Weights, patterns: Weights) -> None:
    """A network that answers every conflict with the same logits."""
    nodes = []
    for name, source in (("classes", "sums"), ("patterns", "columns")):
        nodes.append(helper.make_node("MatMul", [source, f"{name} weights"], [f"{name} zero"]))
        nodes.append(helper.make_node("Add", [f"{name} zero", f"{name} bias"], [name]))
    before = [
        helper.make_node("Add", ["ids", "kinds"], ["both"]),
        helper.make_node("Cast", ["both"], ["columns"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["columns", "axes"], ["sums"], keepdims=0),
    ]
    logits = {
        "classes": [classes.get(name, 0.0) for name in CONFLICT_CLASSES],
        "patterns": [patterns.get(pattern.value, 0.0) for pattern in PATTERNS],
    }
    constants: dict[str, Any] = {"axes": np.array([1], np.int64)}
    for name, bias in logits.items():
        constants[f"{name} weights"] = np.zeros((3, len(bias)), np.float32)
        constants[f"{name} bias"] = np.array(bias, np.float32)
    columns = [None, None, 3]
    shapes = {"ids": columns, "kinds": columns}, {"classes": [None, None], "patterns": [None, None, None]}
    _write(path, [*before, *nodes], constants, shapes, TensorProto.INT64)


def write_bundle(
    folder: Path,
    ranker: Weights,
    first: Weights | None = None,
    classes: Weights | None = None,
    **facts: Any,
) -> Path:
    """A whole bundle in `folder`; it has a network where `classes` are given."""
    folder.mkdir(parents=True, exist_ok=True)
    first = first or {"is none": 0.0}
    write_linear(folder / FIRST, first)
    write_linear(folder / RANKER, ranker)
    if classes is not None:
        write_classifier(folder / MODEL, classes, {})
        save(trained_tokenizer([("java", "int total = count + 1;\n")], 300), folder / TOKENIZER)
    names = {"first": list(first), "ranker": list(ranker)}
    known = {"languages": ["java", "python"], "features": names, "calibration": CALIBRATION}
    write_manifest(folder, known | facts)
    return folder


def _write(
    path: Path, nodes: list[Any], constants: Mapping[str, Any], shapes: tuple[Any, Any], given: int
) -> None:
    inputs, outputs = shapes
    graph = helper.make_graph(
        nodes,
        "by hand",
        [helper.make_tensor_value_info(name, given, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
