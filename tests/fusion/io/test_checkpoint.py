from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mergebert_fusion.errors import CheckpointError
from mergebert_fusion.io.checkpoint import opened
from mergebert_fusion.io.safetensors import write_tensors
from tests.fusion.models import CONFIG, random_tensors, write_model


def whole(folder: Path, name: str) -> torch.Tensor:
    with opened({"m": str(folder)}, folder.parent) as checkpoints:
        source = checkpoints["m"].source
        spec = source.specs[name]
        return source.read(name, 0, spec.elements).reshape(spec.shape)


@pytest.mark.parametrize("shard", [None, 300])
def test_a_folder_is_read_whole_or_sharded(tmp_path: Path, shard: int | None) -> None:
    tensors = random_tensors(1)
    folder = write_model(tmp_path / "m", tensors, shard=shard)
    with opened({"m": "m"}, tmp_path) as checkpoints:
        model = checkpoints["m"]
        assert set(model.source.specs) == set(tensors)
        assert model.config == CONFIG
        assert len(model.files) == len(list(folder.glob("*.safetensors"))) + 1
    assert all(torch.equal(whole(folder, name), tensor) for name, tensor in tensors.items())


def test_a_single_file_without_configuration_is_read(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.safetensors", {"a": torch.ones(2)}, {})
    with opened({"m": "x.safetensors"}, tmp_path) as checkpoints:
        assert checkpoints["m"].config == {}
        assert checkpoints["m"].source.read("a", 0, 2).tolist() == [1, 1]


def test_a_model_is_found_in_the_local_cache_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "hub" / "models--some--model"
    write_model(model / "snapshots" / "abc", random_tensors(1))
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("abc", encoding="utf-8")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with opened({"m": "some/model"}, tmp_path) as checkpoints:
        assert checkpoints["m"].config == CONFIG


def refused(path: str, near: Path) -> str:
    with pytest.raises(CheckpointError) as caught, opened({"m": path}, near):
        pass
    return str(caught.value)


def test_a_model_that_is_not_there_says_how_to_fetch_it(tmp_path: Path) -> None:
    assert "hf download some/model" in refused("some/model", tmp_path)


def test_pickled_weights_are_never_loaded(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "pytorch_model.bin").write_bytes(b"code")
    assert "save the model as safetensors" in refused("m", tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    assert "no safetensors file" in refused("m", tmp_path)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", random_tensors(1), shard=300)
    (folder / "part-2.safetensors").unlink()
    assert "lacks part-2.safetensors" in refused("m", tmp_path)


def test_an_index_may_not_point_out_of_its_folder(tmp_path: Path) -> None:
    write_model(tmp_path / "other", random_tensors(1))
    folder = write_model(tmp_path / "m", random_tensors(1))
    index = {"weight_map": {"a": "../other/model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert "lacks model.safetensors" in refused("m", tmp_path)


@pytest.mark.parametrize("content", ["no json", "{}", "[]"])
def test_a_broken_index_is_refused(tmp_path: Path, content: str) -> None:
    folder = write_model(tmp_path / "m", random_tensors(1))
    (folder / "model.safetensors.index.json").write_text(content, encoding="utf-8")
    assert "cannot be read" in refused("m", tmp_path)


def test_a_broken_configuration_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", random_tensors(1))
    (folder / "config.json").write_text("{", encoding="utf-8")
    assert "is no JSON" in refused("m", tmp_path)


def test_a_tensor_that_stands_in_two_files_is_refused(tmp_path: Path) -> None:
    for name in ("x", "y"):
        write_tensors(tmp_path / "m" / f"{name}.safetensors", {"a": torch.ones(2)}, {})
    assert "a stands in two files" in refused("m", tmp_path)
