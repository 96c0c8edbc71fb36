from __future__ import annotations

import errno
import json
import os
import time
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mergebert_fusion.contract.method import BaseUse
from mergebert_fusion.engine import run
from mergebert_fusion.engine.plan import RunOptions, planned_recipe
from mergebert_fusion.engine.streaming import AT_ONCE, ordered
from mergebert_fusion.errors import CheckpointError, FusionError, RecipeError
from mergebert_fusion.io.architectures import architecture_of
from mergebert_fusion.methods.registry import METHODS
from mergebert_fusion.recipe.reading import recipe_in
from tests.fusion.in_memory import fused_tensors
from tests.fusion.models import (
    CONFIG,
    bytes_of,
    changed,
    random_tensors,
    run_recipe,
    write_family,
    write_model,
)

TASK_ARITHMETIC = (
    "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}, {model: b}, {model: c}]\n"
)
QUERY = "roberta.encoder.layer.0.attention.self.query.weight"


def recipe_of(name: str) -> str:
    """A recipe of the least that a method needs."""
    method = METHODS[name]
    models = ["a", "b", "c"][: method.most_models or 3]
    entries = [{"model": model} for model in models]
    recipe: dict[str, Any] = {"merge_method": name, "models": entries, "seed": 5}
    if method.base in (BaseUse.REQUIRED, BaseUse.OPTIONAL):
        recipe["base_model"] = "base"
    if name == "layer_swap":
        for entry, role in zip(entries, ("task", "language"), strict=True):
            entry["parameters"] = {"role": role}  # type: ignore[assignment]
    return json.dumps(recipe)


def tensor_bytes(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in bytes_of(folder).items() if name.endswith(".safetensors")}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_runs_from_a_recipe_as_it_does_in_memory(tmp_path: Path, name: str) -> None:
    family = write_family(tmp_path)
    recipe = recipe_of(name)
    merged = run_recipe(recipe, tmp_path, tmp_path / "out", threads=2)
    method = METHODS[name]
    described = json.loads(recipe)
    models = {entry["model"]: family[entry["model"]] for entry in described["models"]}
    architecture = architecture_of(CONFIG, family["base"])
    layers = architecture.depths(family["base"])
    places = {n: architecture.place(n, tuple(t.shape), layers) for n, t in family["base"].items()}
    expected = fused_tensors(
        method,
        {model: {n: tensors[n] for n in merged} for model, tensors in models.items()},
        {n: family["base"][n] for n in merged} if "base_model" in described else None,
        model_parameters={entry["model"]: entry.get("parameters", {}) for entry in described["models"]},
        places=places,
        seed=5,
    ).tensors
    assert merged.keys() == family["base"].keys()
    assert all(torch.isfinite(tensor).all() for tensor in merged.values())
    for tensor in merged:
        assert torch.equal(merged[tensor], expected[tensor]), tensor


@pytest.mark.parametrize("name", METHODS)
def test_neither_threads_nor_shards_of_the_inputs_change_a_byte(tmp_path: Path, name: str) -> None:
    write_family(tmp_path / "whole")
    write_family(tmp_path / "cut", shard=500)
    recipe = recipe_of(name)
    run_recipe(recipe, tmp_path / "whole", tmp_path / "one", threads=1)
    run_recipe(recipe, tmp_path / "cut", tmp_path / "two", threads=3)
    one, two = tensor_bytes(tmp_path / "one"), tensor_bytes(tmp_path / "two")
    assert one == two


def test_the_same_recipe_gives_the_same_folder_byte_for_byte(tmp_path: Path) -> None:
    write_family(tmp_path)
    for out in ("one", "two"):
        run_recipe(recipe_of("dare_ties"), tmp_path, tmp_path / out)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def test_another_seed_draws_other_masks(tmp_path: Path) -> None:
    write_family(tmp_path)
    first = run_recipe(recipe_of("dare_linear").replace("5", "6") + "\n", tmp_path, tmp_path / "one")
    second = run_recipe(recipe_of("dare_linear"), tmp_path, tmp_path / "two")
    assert not torch.equal(first[QUERY], second[QUERY])


def test_masks_follow_the_name_of_a_model_and_not_where_it_lies(tmp_path: Path) -> None:
    write_family(tmp_path)
    recipe = "merge_method: dare_linear\nbase_model: base\nmodels: [{model: a}, {model: b}]\n"
    first = run_recipe(recipe, tmp_path, tmp_path / "one")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a").rename(tmp_path / "elsewhere" / "a")
    moved = run_recipe(recipe.replace("model: a", "model: elsewhere/a"), tmp_path, tmp_path / "two")
    assert all(torch.equal(moved[name], first[name]) for name in first)
    (tmp_path / "elsewhere" / "a").rename(tmp_path / "z")
    renamed = run_recipe(recipe.replace("model: a", "model: z"), tmp_path, tmp_path / "three")
    assert not torch.equal(renamed[QUERY], first[QUERY])
    named = run_recipe(recipe.replace("model: a", "model: z, name: a"), tmp_path, tmp_path / "four")
    assert all(torch.equal(named[name], first[name]) for name in first)


def test_the_output_is_cut_into_shards_with_an_index(tmp_path: Path) -> None:
    write_family(tmp_path)
    whole = run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "whole")
    cut = run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "cut", largest_shard=600)
    index = json.loads((tmp_path / "cut" / "model.safetensors.index.json").read_text(encoding="utf-8"))
    assert set(index["weight_map"]) == set(whole)
    assert len(set(index["weight_map"].values())) > 2
    assert all(torch.equal(cut[name], whole[name]) for name in whole)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_type_of_the_output_is_rounded_once(tmp_path: Path, dtype: str) -> None:
    write_family(tmp_path)
    exact = run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "exact")
    rounded = run_recipe(TASK_ARITHMETIC + f"dtype: {dtype}\n", tmp_path, tmp_path / "rounded")
    kind = getattr(torch, dtype)
    assert all(torch.equal(rounded[name], exact[name].to(kind)) for name in exact)


def test_inputs_of_different_types_are_merged_and_said_to_be(tmp_path: Path) -> None:
    family = write_family(tmp_path)
    write_model(tmp_path / "b", {name: tensor.bfloat16() for name, tensor in family["b"].items()})
    merged = run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "out")
    assert merged[QUERY].dtype == torch.float32
    facts = json.loads((tmp_path / "out" / "fusion.json").read_text(encoding="utf-8"))
    note = "Numbers are of different types (a float32, b bfloat16, c float32, base float32); "
    assert f"{note}all are merged in float32 and written in that of a." in facts["notes"]


def test_half_precision_inputs_are_subtracted_in_single_precision(tmp_path: Path) -> None:
    base = {name: tensor.bfloat16() for name, tensor in random_tensors(0).items()}
    models = {
        "base": base,
        "a": changed(base, 1, 0.01),
        "b": changed(base, 2, 0.01),
        "c": changed(base, 3, 0.01),
    }
    for name, tensors in models.items():
        write_model(tmp_path / name, {n: t.bfloat16() for n, t in tensors.items()})
    merged = run_recipe(TASK_ARITHMETIC + "dtype: float32\n", tmp_path, tmp_path / "out")[QUERY]
    read = {name: tensors[QUERY].bfloat16().float() for name, tensors in models.items()}
    expected = read["base"] + sum(read[name] - read["base"] for name in "abc")
    torch.testing.assert_close(merged, expected)


def test_the_provenance_holds_every_hash_and_the_card_the_recipe(tmp_path: Path) -> None:
    write_family(tmp_path)
    run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "fusion.json").read_text(encoding="utf-8"))
    for name in ("base", "a", "b", "c"):
        written = (tmp_path / name / "model.safetensors").read_bytes()
        assert facts["inputs"][name]["files"]["model.safetensors"] == sha256(written).hexdigest()
    merged = (tmp_path / "out" / "model.safetensors").read_bytes()
    assert facts["outputs"] == {"model.safetensors": sha256(merged).hexdigest()}
    assert facts["versions"]["torch"] == torch.__version__
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert TASK_ARITHMETIC.strip() in card
    assert json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8")) == CONFIG


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    write_family(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FusionError, match="holds other files"):
        run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "out")
    run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "thesis.txt").read_text(encoding="utf-8") == "mine"
    with pytest.raises(FusionError, match="holds a finished fusion"):
        run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "out")


def test_an_input_is_never_written_over(tmp_path: Path) -> None:
    write_family(tmp_path)
    before = bytes_of(tmp_path / "a")
    with pytest.raises(FusionError, match="holds one of the inputs"):
        run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "a", overwrite=True)
    assert bytes_of(tmp_path / "a") == before


def test_a_model_that_cannot_fit_on_the_disk_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_family(tmp_path)
    monkeypatch.setattr(run.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(FusionError, match=r"needs \d\.\d kB, and 1\.0 kB are free there"):
        run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "out")


def test_a_disk_that_fills_up_is_said_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_family(tmp_path)
    run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "whole")

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(FusionError, match=r"model.safetensors cannot be written \(No space left"):
        run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "out")
    monkeypatch.undo()
    run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "out")
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")


def test_a_damaged_input_is_named(tmp_path: Path) -> None:
    family = write_family(tmp_path)
    family["b"][QUERY][0, 0] = float("nan")
    write_model(tmp_path / "b", family["b"])
    with pytest.raises(CheckpointError, match=f"{QUERY} of b holds NaN"):
        run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "out")


def test_a_result_beyond_all_numbers_is_refused(tmp_path: Path) -> None:
    write_family(tmp_path)
    with pytest.raises(FusionError, match="grows beyond all numbers"):
        run_recipe(TASK_ARITHMETIC + "parameters: {lambda: 1e39}\n", tmp_path, tmp_path / "out")


def test_a_failed_run_is_taken_up_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_family(tmp_path)
    run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "whole", largest_shard=600)
    plain, calls = run._write, []

    def failing(plan: Any, shard: Any, *rest: Any) -> list[str]:
        calls.append(shard.file.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(plan, shard, *rest)

    monkeypatch.setattr(run, "_write", failing)
    with pytest.raises(KeyboardInterrupt):
        run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "out", largest_shard=600)
    kept = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("model-*.safetensors")}
    assert sorted(kept) == calls[:2]
    run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "out", largest_shard=600)
    assert calls[2:].count(calls[0]) == 0
    assert {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in kept} == kept
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")


def test_a_begun_folder_is_not_taken_up_by_another_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_family(tmp_path)

    def failing(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "_finish", failing)
    with pytest.raises(KeyboardInterrupt):
        run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "out")
    monkeypatch.undo()
    with pytest.raises(FusionError, match="unfinished fusion of other inputs"):
        run_recipe(TASK_ARITHMETIC + "seed: 1\n", tmp_path, tmp_path / "out")
    run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out" / "fusion-progress.json").exists()


def test_a_finished_shard_that_was_changed_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_family(tmp_path)
    run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "whole")

    def failing(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "_finish", failing)
    with pytest.raises(KeyboardInterrupt):
        run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "out")
    monkeypatch.undo()
    (tmp_path / "out" / "model.safetensors").write_bytes(b"torn")
    run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "out")
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")


def sliced(*parts: tuple[str, int, int]) -> str:
    slices = [{"sources": [{"model": model, "layer_range": [start, stop]}]} for model, start, stop in parts]
    return json.dumps({"merge_method": "passthrough", "slices": slices})


def test_slices_are_stacked_upon_each_other(tmp_path: Path) -> None:
    family = write_family(tmp_path)
    merged = run_recipe(sliced(("a", 0, 2), ("b", 1, 3)), tmp_path, tmp_path / "out")
    layer = "roberta.encoder.layer.{}.attention.self.query.weight"
    for number, (model, source) in enumerate([("a", 0), ("a", 1), ("b", 1), ("b", 2)]):
        assert torch.equal(merged[layer.format(number)], family[model][layer.format(source)])
    words = "roberta.embeddings.word_embeddings.weight"
    assert torch.equal(merged[words], family["a"][words])
    assert torch.equal(merged["classifier.dense.weight"], family["b"]["classifier.dense.weight"])
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert config["num_hidden_layers"] == 4


def test_gradients_run_over_the_layers_of_a_slice(tmp_path: Path) -> None:
    family = write_family(tmp_path)
    sources = [{"model": model, "layer_range": [0, 3]} for model in ("a", "b")]
    recipe = {"merge_method": "slerp", "slices": [{"sources": sources}], "parameters": {"t": [0, 1]}}
    merged = run_recipe(json.dumps(recipe), tmp_path, tmp_path / "out")
    for layer, model in ((0, "a"), (2, "b")):
        name = f"roberta.encoder.layer.{layer}.attention.self.query.weight"
        torch.testing.assert_close(merged[name], family[model][name])


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        (sliced(("a", 0, 2), ("b", 1, 4)), "reaches beyond the 3 layers"),
        (
            json.dumps(
                {
                    "merge_method": "ties",
                    "base_model": "base",
                    "slices": [
                        {"sources": [{"model": m, "layer_range": [0, 1]} for m in ("a", "b")]},
                        {"sources": [{"model": m, "layer_range": [1, 2]} for m in ("a", "b")]},
                    ],
                }
            ),
            "has to see whole models",
        ),
        (
            json.dumps(
                {
                    "merge_method": "linear",
                    "slices": [
                        {
                            "sources": [
                                {"model": "a", "layer_range": [0, 1]},
                                {"model": "b", "layer_range": [0, 2]},
                            ]
                        }
                    ],
                }
            ),
            "layer ranges of one length",
        ),
    ],
)
def test_slices_that_do_not_fit_are_refused(tmp_path: Path, recipe: str, why: str) -> None:
    write_family(tmp_path)
    with pytest.raises(RecipeError, match=why):
        run_recipe(recipe, tmp_path, tmp_path / "out")


def test_parameters_that_do_not_fit_together_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    write_family(tmp_path)
    with pytest.raises(RecipeError, match="add up to 0"):
        run_recipe(TASK_ARITHMETIC + "parameters: {weight: 0, normalize: true}\n", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_large_tensors_are_computed_alone() -> None:
    busy: list[int] = []
    most = 0

    def work(cost: int) -> int:
        nonlocal most
        busy.append(cost)
        most = max(most, sum(busy))
        time.sleep(0.002)
        busy.remove(cost)
        return cost

    costs = [AT_ONCE // 2, AT_ONCE * 2, AT_ONCE // 2, 1, 1, AT_ONCE]
    assert list(ordered(work, costs, 3, lambda cost: cost)) == costs
    assert most <= 2 * AT_ONCE


def test_the_plan_says_what_is_read_and_written(tmp_path: Path) -> None:
    family = write_family(tmp_path)
    size = sum(tensor.numel() * 4 for tensor in family["a"].values())
    with planned_recipe(recipe_in(TASK_ARITHMETIC, tmp_path / "r.yaml"), RunOptions()) as plan:
        assert plan.bytes_read == 4 * size
        assert plan.passes == 1
        assert plan.bytes_written == len(plan.shards[0].file.header) + size
        assert 0 < plan.memory < 1_000_000
    with planned_recipe(recipe_in(recipe_of("ties"), tmp_path / "r.yaml"), RunOptions()) as surveyed:
        assert surveyed.passes == 1 + METHODS["ties"].passes  # type: ignore[union-attr]
        assert surveyed.memory > plan.memory
