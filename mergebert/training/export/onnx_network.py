"""Trained networks as one int8 ONNX file; nothing is written that does not agree with what was trained."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType
from torch import Tensor, nn

from mergebert.atomic import Draft
from mergebert.errors import ModelBundleError
from mergebert.ranking.columns import HEAD
from mergebert.training.network.model import ColumnsNetwork

FLOAT_TOLERANCE = 2e-3  # largest difference of a log probability between torch and ONNX in float
QUANTISED_AGREEMENT = 0.97  # share of conflicts whose likeliest class int8 leaves as it was
# Activations are unsigned. With signed weights the sums of two products overflow 16 bits on every CPU without VNNI
# instructions, unseen, and the same bundle is less accurate there; with unsigned ones it answers alike everywhere.
WEIGHTS = QuantType.QUInt8

Probe = tuple[NDArray[np.int64], NDArray[np.int64]]  # ids and kinds of a padded batch
Outputs = tuple[NDArray[np.float32], NDArray[np.float32]]  # classes, and patterns at the hunks' heads


class MeanNetwork(nn.Module):
    """The mean of the log probabilities of several networks."""

    def __init__(self, networks: Sequence[ColumnsNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, ids: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """As ColumnsNetwork, with log probabilities for logits."""
        answers = [network(ids, kinds) for network in self.networks]
        classes = torch.stack([torch.log_softmax(one, -1) for one, _ in answers]).mean(0)
        patterns = torch.stack([torch.log_softmax(one, -1) for _, one in answers]).mean(0)
        return classes, patterns


def write_network(
    networks: Sequence[ColumnsNetwork], path: Path, probes: Sequence[Probe]
) -> dict[str, float]:
    """Writes the networks as one int8 ONNX file; how far it is from torch on the `probes` (ids, kinds).

    Raises ModelBundleError, writing nothing, where ONNX in float or int8 disagrees with torch.
    """
    from onnxruntime.quantization import quantize_dynamic

    mean = MeanNetwork(networks).eval()
    with tempfile.TemporaryDirectory() as folder:
        plain, small = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        _write_float(mean, plain, probes[0])
        whole = Path(folder) / "whole.onnx"
        quantize_dynamic(plain, whole, weight_type=WEIGHTS, per_channel=True)
        _write_optimised(whole, small)
        wanted = [_torch_outputs(mean, *probe) for probe in probes]
        exact = _compared(wanted, plain, probes)
        quantised = _compared(wanted, small, probes)
        facts = {
            "float_difference": exact["difference"],
            "int8_mean_difference": quantised["mean"],
            "int8_agreement": quantised["agreement"],
            "int8_pattern_agreement": quantised["pattern agreement"],
        }
        if facts["float_difference"] > FLOAT_TOLERANCE:
            raise ModelBundleError(
                f"ONNX differs from torch by {facts['float_difference']:.2g}; the network was not exported."
            )
        if facts["int8_agreement"] < QUANTISED_AGREEMENT:
            raise ModelBundleError(
                f"int8 agrees with float on {facts['int8_agreement']:.1%} only; the network was not exported."
            )
        with Draft(path) as draft:
            shutil.copyfile(small, draft)
    return facts


def _write_optimised(model: Path, target: Path) -> None:
    """Writes the graph as onnxruntime would make it at every start: the run time loads it four times as fast."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Extended fuses operators for any CPU; the level above it would lay the file out for this one.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _write_float(network: nn.Module, path: Path, probe: tuple[Any, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter announces its successor
        torch.onnx.export(
            network,
            tuple(map(torch.from_numpy, probe)),
            str(path),
            input_names=["ids", "kinds"],
            output_names=["classes", "patterns"],
            dynamic_axes={name: {0: "batch", 1: "length"} for name in ("ids", "kinds", "patterns")}
            | {"classes": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )


@torch.no_grad()
def _torch_outputs(network: nn.Module, ids: NDArray[np.int64], kinds: NDArray[np.int64]) -> Outputs:
    classes, patterns = network(torch.from_numpy(ids), torch.from_numpy(kinds))
    return classes.numpy(), patterns.numpy()[kinds[:, :, 2] == HEAD]


def _compared(wanted: Sequence[Outputs], model: Path, probes: Sequence[Probe]) -> dict[str, float]:
    """How far the model is from the answers wanted: of both heads the largest and mean gap and the same favourites."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    found = []
    for ids, kinds in probes:
        classes, patterns = session.run(None, {"ids": ids, "kinds": kinds})
        found.append((classes, patterns[kinds[:, :, 2] == HEAD]))
    pairs = [_joined(wanted, found, head) for head in range(2)]
    gaps = np.concatenate([np.abs(one - other).ravel() for one, other in pairs])
    same = [one.argmax(-1) == other.argmax(-1) for one, other in pairs]
    return {
        "difference": float(gaps.max()),
        "mean": float(gaps.mean()),
        "agreement": float(same[0].mean()),
        "pattern agreement": float(same[1].mean()) if len(same[1]) else 1.0,
    }


def _joined(wanted: Sequence[Outputs], found: Sequence[Outputs], head: int) -> tuple[Any, Any]:
    """All answers of one head, wanted and found."""
    return tuple(np.concatenate([answer[head] for answer in answers]) for answers in (wanted, found))  # type: ignore[return-value]
