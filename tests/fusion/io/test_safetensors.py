from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from mergebert_fusion.errors import CheckpointError
from mergebert_fusion.io.safetensors import (
    DTYPES,
    NewFile,
    open_tensors,
    shard_names,
    split_into_shards,
    start_file,
    write_tensors,
)
from mergebert_fusion.io.tensors import TensorSpec


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_files_of_the_library_are_read_a_run_at_a_time(tmp_path: Path, dtype: torch.dtype) -> None:
    values = torch.arange(24).remainder(2).to(dtype).reshape(4, 6)
    save_file(
        {"other": torch.zeros(3), "values": values, "empty": torch.zeros(0, 2)}, tmp_path / "x.safetensors"
    )
    file = open_tensors(tmp_path / "x.safetensors")
    assert file.specs["values"] == TensorSpec((4, 6), dtype)
    assert torch.equal(file.read("values", 5, 11).float(), values.reshape(-1)[5:11].float())
    assert file.read("empty", 0, 0).numel() == 0
    file.close()


def test_the_library_reads_what_is_written(tmp_path: Path) -> None:
    tensors = {
        "b": torch.randn(3, 2),
        "a": torch.arange(5),
        "scalar": torch.tensor(2.5, dtype=torch.bfloat16),
    }
    write_tensors(tmp_path / "x.safetensors", tensors, {"format": "pt"})
    loaded = load_file(tmp_path / "x.safetensors")
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)


def test_a_file_gets_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    new = NewFile("x.safetensors", {"a": TensorSpec((4,), torch.float32)}, {})
    writer = start_file(new, tmp_path)
    writer.write("a", 2, torch.tensor([3.0, 4.0]))
    assert not (tmp_path / "x.safetensors").exists()
    writer.write("a", 0, torch.tensor([1.0, 2.0]))
    writer.finish()
    assert load_file(tmp_path / "x.safetensors")["a"].tolist() == [1, 2, 3, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.safetensors", {"a": torch.zeros(100)}, {})
    whole = (tmp_path / "x.safetensors").read_bytes()
    (tmp_path / "x.safetensors").write_bytes(whole[:-8])
    with pytest.raises(CheckpointError, match="no whole safetensors file"):
        open_tensors(tmp_path / "x.safetensors")


def test_a_file_that_shrinks_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.zeros(100)}, {})
    file = open_tensors(path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match="cut short"):
        file.read("a", 0, 100)
    file.close()


def test_a_type_that_cannot_be_merged_is_named(tmp_path: Path) -> None:
    save_file({"odd": torch.zeros(2, dtype=torch.complex64)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=r"odd in .* is of type C64"):
        open_tensors(tmp_path / "x.safetensors")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(1, 40))
def test_shards_hold_every_tensor_once_in_order(sizes: list[int], largest: int) -> None:
    specs = {str(i): TensorSpec((size,), torch.float32) for i, size in enumerate(sizes)}
    files = split_into_shards(specs, largest)
    assert [name for held in files for name in held] == list(specs)
    for held in files:
        assert len(held) == 1 or sum(spec.size for spec in held.values()) <= largest


def test_shards_are_named_as_loaders_expect() -> None:
    assert list(shard_names(1)) == ["model.safetensors"]
    assert list(shard_names(2)) == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]


def test_headers_are_aligned_and_the_same_twice() -> None:
    new = NewFile("x", {"ä": TensorSpec((1,), torch.uint8)}, {"format": "pt"})
    assert len(new.header) % 8 == 0
    assert json.loads(new.header[8:])["ä"]["data_offsets"] == [0, 1]
    assert new.header == NewFile("x", {"ä": TensorSpec((1,), torch.uint8)}, {"format": "pt"}).header
