from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from mergebert.errors import ModelBundleError
from mergebert.ranking.bundle import default_bundle_path
from mergebert.ranking.classifier import OnnxClassifier, hunk_scores, padded
from mergebert.ranking.columns import CHANGE_TYPES, CONFLICT_CLASSES, EDIT_TYPES, MAX_COLUMNS, PAD, Columns
from mergebert.text.patterns import PATTERNS
from mergebert.training.config import ModelConfig
from mergebert.training.export import onnx_network
from mergebert.training.export.onnx_network import (
    FLOAT_TOLERANCE,
    QUANTISED_AGREEMENT,
    MeanNetwork,
    write_network,
)
from mergebert.training.network.model import ColumnsNetwork

TINY = ModelConfig(vocabulary=60, width=32, layers=2, heads=2, dropout=0.1)
LENGTHS = (1, 2, 9, 40, 41, 90, MAX_COLUMNS)


def network(seed: int) -> ColumnsNetwork:
    """A network with a favourite class, so that no hair decides."""
    torch.manual_seed(seed)
    made = ColumnsNetwork(TINY)
    for value in made.parameters():
        torch.nn.init.normal_(value, std=0.2)
    torch.nn.init.normal_(made.conflict_head.bias, std=4.0)
    return made


def conflicts(count: int, lengths: Sequence[int] = LENGTHS) -> list[Columns]:
    draw = np.random.default_rng(1)
    found = []
    for at in range(count):
        length = lengths[at % len(lengths)]
        ids = draw.integers(PAD + 1, TINY.vocabulary, (length, 3)).astype(np.int32)
        kinds = np.concatenate(
            [
                draw.integers(0, len(EDIT_TYPES), (length, 2)),
                draw.integers(0, len(CHANGE_TYPES), (length, 1)),
            ],
            axis=1,
        )
        found.append(Columns(ids, kinds.astype(np.int32), (0, length - 1, -1)[: at % 4]))
    return found


def probes(count: int = 56) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    order = sorted(conflicts(count), key=lambda columns: len(columns.ids))
    return [padded(order[start : start + 8]) for start in range(0, count, 8)]


@pytest.fixture(scope="module")
def networks() -> list[ColumnsNetwork]:
    return [network(1), network(2)]


@pytest.fixture(scope="module")
def written(
    networks: list[ColumnsNetwork], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, float]]:
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    facts = write_network(networks, path, probes())
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    return path, facts


def test_the_exported_network_agrees_with_the_trained_ones(written: tuple[Path, dict[str, float]]) -> None:
    _, facts = written
    assert facts["float_difference"] <= FLOAT_TOLERANCE
    assert facts["int8_agreement"] >= QUANTISED_AGREEMENT
    assert 0 < facts["int8_mean_difference"] < 0.2


def test_no_weight_is_signed(written: tuple[Path, dict[str, float]]) -> None:
    """Products of unsigned activations with signed weights overflow, unseen, where the CPU has no VNNI."""
    for model in (written[0], default_bundle_path() / "model.onnx"):
        graph = onnx.load(model).graph
        kinds = {one.name: one.data_type for one in graph.initializer}
        products = [node for node in graph.node if node.op_type in ("DynamicQuantizeMatMul", "MatMulInteger")]
        assert {kinds[node.input[1]] for node in products} == {onnx.TensorProto.UINT8}


@torch.no_grad()
def test_it_agrees_on_conflicts_that_were_no_probes(
    written: tuple[Path, dict[str, float]], networks: list[ColumnsNetwork]
) -> None:
    path, _ = written
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    mean = MeanNetwork(networks).eval()
    for columns in conflicts(14, (3, 17, 200)):
        ids, kinds = padded([columns])
        classes, patterns = session.run(None, {"ids": ids, "kinds": kinds})
        wanted, wanted_patterns = mean(torch.from_numpy(ids), torch.from_numpy(kinds))
        assert classes.shape == (1, len(CONFLICT_CLASSES))
        assert patterns.shape == (1, len(columns.ids), len(PATTERNS))
        assert np.abs(classes - wanted.numpy()).mean() < 0.3
        assert np.abs(patterns - wanted_patterns.numpy()).mean() < 0.3


def test_the_file_is_small(written: tuple[Path, dict[str, float]], networks: list[ColumnsNetwork]) -> None:
    floats = sum(value.numel() * 4 for one in networks for value in one.parameters())
    assert written[0].stat().st_size < floats * 0.75


@torch.no_grad()
def test_the_run_time_says_what_torch_says(
    written: tuple[Path, dict[str, float]], networks: list[ColumnsNetwork]
) -> None:
    """Padding, batches and the heads of hunks included."""
    asked = conflicts(21)
    found = OnnxClassifier(written[0]).scores(asked)
    mean = MeanNetwork(networks).eval()
    for scores, columns in zip(found, asked, strict=True):
        ids, kinds = padded([columns])
        classes, patterns = (
            value[0].numpy() for value in mean(torch.from_numpy(ids), torch.from_numpy(kinds))
        )
        assert np.abs(scores.classes - torch.from_numpy(classes).log_softmax(-1).numpy()).mean() < 0.2
        assert np.exp(scores.classes).sum() == pytest.approx(1.0, abs=1e-4)
        wanted = hunk_scores(patterns, np.array(columns.heads))
        assert scores.hunks.shape == wanted.shape
        assert not wanted.size or np.abs(scores.hunks - wanted).mean() < 0.3


@torch.no_grad()
def test_the_mean_of_one_network_is_that_network() -> None:
    one = network(3).eval()
    ids, kinds = map(torch.from_numpy, probes(8)[0])
    classes, patterns = MeanNetwork([one])(ids, kinds)
    alone, columns = one(ids, kinds)
    assert torch.allclose(classes, alone.log_softmax(-1), atol=1e-6)
    assert torch.allclose(patterns, columns.log_softmax(-1), atol=1e-6)


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("FLOAT_TOLERANCE", -1.0, r"^ONNX differs from torch by .*; the network was not exported\.$"),
        ("QUANTISED_AGREEMENT", 1.1, r"^int8 agrees with float on .* only; the network was not exported\.$"),
    ],
)
def test_a_network_that_disagrees_is_not_written(
    limit: str, value: float, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_network, limit, value)
    (tmp_path / "model.onnx").write_bytes(b"the one before")
    with pytest.raises(ModelBundleError, match=message):
        write_network([network(1)], tmp_path / "model.onnx", probes(8))
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == b"the one before"


def test_a_real_disagreement_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network that is written is another than the one it is compared with."""
    write = onnx_network._write_float

    def write_another(
        _: torch.nn.Module, path: Path, probe: tuple[NDArray[np.int64], NDArray[np.int64]]
    ) -> None:
        write(MeanNetwork([network(9)]).eval(), path, probe)

    monkeypatch.setattr(onnx_network, "_write_float", write_another)
    with pytest.raises(ModelBundleError, match="ONNX differs from torch"):
        write_network([network(1)], tmp_path / "model.onnx", probes(8))
    assert list(tmp_path.iterdir()) == []
