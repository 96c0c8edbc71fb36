from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mergebert_fusion.errors import CheckpointError
from mergebert_fusion.io.checkpoint import opened
from mergebert_fusion.io.safetensors import write_tensors
from tests.fusion.models import CONFIG, random_tensors, write_model

QUERY = "roberta.encoder.layer.0.attention.self.query"
TABLE = "roberta.embeddings.word_embeddings"


def write_adapter(folder: Path, tensors: dict[str, Tensor], **config: Any) -> None:
    write_tensors(folder / "adapter_model.safetensors", tensors, {"format": "pt"})
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 6, **config}
    (folder / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")


def pair(seed: int, rank: int = 2, inputs: int = 8, outputs: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rank, inputs, generator=generator), torch.randn(outputs, rank, generator=generator)


def read(path: str, near: Path, name: str) -> Tensor:
    with opened({"m": path}, near) as checkpoints:
        source = checkpoints["m"].source
        spec = source.specs[name]
        cut = min(5, spec.elements)  # within a row
        halves = [source.read(name, 0, cut), source.read(name, cut, spec.elements)]
        return torch.cat(halves).reshape(spec.shape)


@pytest.fixture
def base(tmp_path: Path) -> dict[str, Tensor]:
    tensors = random_tensors(0)
    write_model(tmp_path / "base", tensors)
    return tensors


@pytest.mark.parametrize(("settings", "scaling"), [({}, 3.0), ({"use_rslora": True}, 6 / 2**0.5)])
def test_a_pair_is_added_to_its_matrix(
    tmp_path: Path, base: dict[str, Tensor], settings: dict[str, Any], scaling: float
) -> None:
    a, b = pair(1)
    names = {f"base_model.model.{QUERY}.lora_A.weight": a, f"base_model.model.{QUERY}.lora_B.weight": b}
    write_adapter(tmp_path / "adapter", names, **settings)
    expected = base[f"{QUERY}.weight"] + scaling * b @ a
    torch.testing.assert_close(read("base+adapter", tmp_path, f"{QUERY}.weight"), expected)
    assert torch.equal(read("base+adapter", tmp_path, f"{TABLE}.weight"), base[f"{TABLE}.weight"])


def test_an_adapter_finds_its_base_by_itself(tmp_path: Path, base: dict[str, Tensor]) -> None:
    a, b = pair(1)
    names = {f"base_model.model.{QUERY}.lora_A.weight": a, f"base_model.model.{QUERY}.lora_B.weight": b}
    write_adapter(tmp_path / "adapter", names, base_model_name_or_path="base")
    torch.testing.assert_close(
        read("adapter", tmp_path, f"{QUERY}.weight"), base[f"{QUERY}.weight"] + 3 * b @ a
    )
    with opened({"m": "adapter"}, tmp_path) as checkpoints:
        assert checkpoints["m"].config == CONFIG
        assert {path.name for path in checkpoints["m"].files} >= {
            "model.safetensors",
            "adapter_model.safetensors",
        }


def test_rank_and_alpha_may_differ_by_module(tmp_path: Path, base: dict[str, Tensor]) -> None:
    a, b = pair(1, rank=4)
    names = {f"base_model.model.{QUERY}.lora_A.weight": a, f"base_model.model.{QUERY}.lora_B.weight": b}
    write_adapter(tmp_path / "adapter", names, rank_pattern={"query": 4}, alpha_pattern={r".*\.query": 2})
    expected = base[f"{QUERY}.weight"] + 0.5 * b @ a
    torch.testing.assert_close(read("base+adapter", tmp_path, f"{QUERY}.weight"), expected)


def test_a_head_that_was_trained_whole_takes_the_place_of_the_base_head(
    tmp_path: Path, base: dict[str, Tensor]
) -> None:
    head = torch.randn(5, 8)
    write_adapter(tmp_path / "adapter", {"base_model.model.classifier.out_proj.weight": head})
    assert torch.equal(read("base+adapter", tmp_path, "classifier.out_proj.weight"), head)


def test_an_adapter_of_the_bare_model_finds_the_prefixed_tensor(
    tmp_path: Path, base: dict[str, Tensor]
) -> None:
    a, b = pair(1)
    bare = QUERY.removeprefix("roberta.")
    names = {f"base_model.model.{bare}.lora_A.weight": a, f"base_model.model.{bare}.lora_B.weight": b}
    write_adapter(tmp_path / "adapter", names)
    expected = base[f"{QUERY}.weight"] + 3 * b @ a
    torch.testing.assert_close(read("base+adapter", tmp_path, f"{QUERY}.weight"), expected)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"peft_type": "LOHA"}, "peft_type LOHA"),
        ({"use_dora": True}, "use_dora"),
        ({"init_lora_weights": "pissa_niter_4"}, "init_lora_weights pissa"),
    ],
)
def test_what_is_more_than_a_product_is_refused(
    tmp_path: Path, base: dict[str, Tensor], settings: dict[str, Any], why: str
) -> None:
    write_adapter(tmp_path / "adapter", {}, **settings)
    with pytest.raises(CheckpointError, match=why), opened({"m": "base+adapter"}, tmp_path):
        pass


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["elsewhere.lora_A.weight", "elsewhere.lora_B.weight"], "does not have"),
        ([f"{QUERY}.lora_A.weight"], "half of the pair"),
        ([f"{QUERY}.lora_A.default.weight"], "no part of a plain LoRA"),
        (["classifier.out_proj.lora_A.weight", "classifier.out_proj.lora_B.weight"], r"as \(8, 8\)"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(
    tmp_path: Path, base: dict[str, Tensor], names: list[str], why: str
) -> None:
    tensors = dict(zip((f"base_model.model.{name}" for name in names), pair(1), strict=False))
    write_adapter(tmp_path / "adapter", tensors)
    with pytest.raises(CheckpointError, match=why), opened({"m": "base+adapter"}, tmp_path):
        pass


def test_an_adapter_that_is_not_there_is_refused(tmp_path: Path, base: dict[str, Tensor]) -> None:
    with (
        pytest.raises(CheckpointError, match="no folder with adapter_config"),
        opened({"m": "base+gone"}, tmp_path),
    ):
        pass


class Network(nn.Module):
    """A table, a linear map, GPT-2's transposed linear map and a head."""

    def __init__(self) -> None:
        super().__init__()
        from transformers.pytorch_utils import Conv1D

        self.table = nn.Embedding(7, 6)
        self.linear = nn.Linear(6, 5)
        self.turned = Conv1D(4, 5)
        self.head = nn.Linear(4, 2)


@pytest.mark.parametrize("rank_stabilised", [False, True])
def test_it_equals_what_peft_merges(tmp_path: Path, rank_stabilised: bool) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    network = Network()
    base = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    write_model(tmp_path / "base", base)
    for targets, turned in ((["table", "linear"], False), (["turned"], True)):
        config = LoraConfig(
            r=2,
            lora_alpha=3,
            target_modules=targets,
            modules_to_save=["head"],
            use_rslora=rank_stabilised,
            fan_in_fan_out=turned,
            init_lora_weights=False,
        )
        network.load_state_dict(base)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            adapted = get_peft_model(network, config)  # type: ignore[arg-type]
            nn.init.normal_(adapted.base_model.model.head.modules_to_save["default"].weight)
            adapted.save_pretrained(tmp_path / "adapter")
            merged = adapted.merge_and_unload().state_dict()
        for name, expected in merged.items():
            torch.testing.assert_close(read("base+adapter", tmp_path, name), expected)
        network = Network()
