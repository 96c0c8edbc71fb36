from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mergebert_fusion.engine.restore import restore
from mergebert_fusion.engine.shards import packed, unpacked
from mergebert_fusion.errors import CheckpointError, FusionError
from mergebert_fusion.methods.registry import METHODS
from tests.fusion.in_memory import fused_tensors, restored
from tests.fusion.models import (
    CONFIG,
    changed,
    random_tensors,
    read_model,
    run_recipe,
    write_family,
    write_model,
)

MODELS = "models: [{model: a}, {model: b}, {model: c}]\n"


@pytest.mark.parametrize(
    "name", [name for name, m in METHODS.items() if getattr(m, "restore", None) is not None]
)
@pytest.mark.parametrize("largest", [10**9, 600])
def test_every_model_is_given_back_as_the_method_keeps_it(tmp_path: Path, name: str, largest: int) -> None:
    family = write_family(tmp_path)
    text = f"merge_method: {name}\nbase_model: base\n{MODELS}"
    run_recipe(text, tmp_path, tmp_path / "out", largest_shard=largest)
    models = {model: family[model] for model in "abc"}
    method = METHODS[name]
    fused = fused_tensors(method, models, family["base"])
    for model in models:
        restore(tmp_path / "out", model, tmp_path / f"again-{model}", str(tmp_path / "base"))
        given = read_model(tmp_path / f"again-{model}")
        expected = restored(method, fused, family["base"], model)  # type: ignore[arg-type]
        assert given.keys() == expected.keys()
        assert all(torch.equal(given[tensor], expected[tensor]) for tensor in expected)
    assert json.loads((tmp_path / "again-a" / "config.json").read_text(encoding="utf-8")) == CONFIG


def test_masks_take_one_bit_a_scalar(tmp_path: Path) -> None:
    family = write_family(tmp_path)
    run_recipe(f"merge_method: tall_masks\nbase_model: base\n{MODELS}", tmp_path, tmp_path / "out")
    masks = read_model(tmp_path / "out" / "artifacts")
    scalars = sum(tensor.numel() for tensor in family["a"].values())
    size = (tmp_path / "out" / "artifacts" / "mask.a.safetensors").stat().st_size
    assert size < scalars / 8 + 200 * len(family["a"])
    assert all(tensor.dtype == torch.uint8 or tensor.dtype == torch.float32 for tensor in masks.values())


@pytest.mark.parametrize("count", [1, 7, 8, 9, 1000])
def test_bits_come_back_as_they_were(count: int) -> None:
    bits = torch.rand(count, generator=torch.Generator().manual_seed(count)) < 0.5
    assert torch.equal(unpacked(packed(bits), count), bits)


def test_a_body_gets_the_head_of_a_model_back(tmp_path: Path) -> None:
    base = random_tensors(0)
    write_model(tmp_path / "base", base)
    for number, model in enumerate("ab"):
        tensors = changed(base, number + 1)
        tensors["classifier.out_proj.weight"] = torch.full((number + 2, 8), float(number))
        labels = {str(i): f"{model}{i}" for i in range(number + 2)}
        write_model(tmp_path / model, tensors, {**CONFIG, "id2label": labels})
    text = "merge_method: linear\nmodels: [{model: a}, {model: b}]\npolicy: {heads: separate}\n"
    merged = run_recipe(text, tmp_path, tmp_path / "out")
    restore(tmp_path / "out", "b", tmp_path / "b-again")
    again = read_model(tmp_path / "b-again")
    assert torch.equal(again["classifier.out_proj.weight"], torch.ones(3, 8))
    assert all(torch.equal(again[name], merged[name]) for name in merged)
    config = json.loads((tmp_path / "b-again" / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"]["2"] == "b2"


def test_what_cannot_be_restored_is_refused(tmp_path: Path) -> None:
    write_family(tmp_path)
    run_recipe(f"merge_method: linear\n{MODELS}", tmp_path, tmp_path / "linear")
    run_recipe(f"merge_method: tall_masks\nbase_model: base\n{MODELS}", tmp_path, tmp_path / "tall")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine", encoding="utf-8")
    for folder, model, out, why in (
        ("linear", "a", "new", "keeps nothing of a"),
        ("tall", "d", "new", "was not made from a model 'd'; it was made from a, b, c"),
        ("tall", "a", "full", "is not empty"),
        ("base", "a", "new", "no finished fusion"),
    ):
        with pytest.raises(FusionError, match=why):
            restore(tmp_path / folder, model, tmp_path / out)


def test_another_base_is_noticed(tmp_path: Path) -> None:
    write_family(tmp_path)
    run_recipe(f"merge_method: tall_masks\nbase_model: base\n{MODELS}", tmp_path, tmp_path / "out")
    with pytest.raises(CheckpointError, match="is not the base"):
        restore(tmp_path / "out", "a", tmp_path / "new", str(tmp_path / "b"))
