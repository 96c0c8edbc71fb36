from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mergebert.errors import ModelBundleError
from mergebert.ranking.columns import HEAD
from mergebert.training.config import ModelConfig
from mergebert.training.export import onnx_network
from mergebert.training.network.model import ColumnsNetwork


def network_and_probes() -> tuple[ColumnsNetwork, list[onnx_network.Probe]]:
    torch.manual_seed(0)
    network = ColumnsNetwork(ModelConfig(vocabulary=32, width=16, layers=1, heads=2, dropout=0.0)).eval()
    draw = np.random.default_rng(0)
    ids = draw.integers(1, 32, (4, 12, 3))
    kinds = draw.integers(0, 5, (4, 12, 3))
    kinds[:, 3, 2] = HEAD
    return network, [(ids, kinds)]


def test_both_heads_are_compared(tmp_path: Path) -> None:
    network, probes = network_and_probes()

    facts = onnx_network.write_network([network], tmp_path / "model.onnx", probes)

    assert facts["float_difference"] < onnx_network.FLOAT_TOLERANCE
    assert 0.0 <= facts["int8_pattern_agreement"] <= 1.0
    assert (tmp_path / "model.onnx").is_file()


def test_patterns_that_differ_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, probes = network_and_probes()
    write = onnx_network._write_float

    def spoilt(mean: torch.nn.Module, path: Path, probe: onnx_network.Probe) -> None:
        with torch.no_grad():
            network.hunk_head.bias[0] += 1.0
        write(mean, path, probe)
        with torch.no_grad():
            network.hunk_head.bias[0] -= 1.0

    monkeypatch.setattr(onnx_network, "_write_float", spoilt)
    with pytest.raises(ModelBundleError, match="differs from torch"):
        onnx_network.write_network([network], tmp_path / "model.onnx", probes)
    assert not list(tmp_path.iterdir())
