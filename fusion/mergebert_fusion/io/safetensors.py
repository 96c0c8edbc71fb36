"""Safetensors files read and written a run of elements at a time, so that no tensor has to be held whole.

The library maps whole files into memory, which then count as the program's own; here every run of elements is read
from and written to its offset in the file. The library still checks each header, which may come from anywhere.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mergebert_fusion.errors import CheckpointError, FusionError
from mergebert_fusion.io.tensors import TensorSpec

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}
# The types that a result may be written in, by torch's names.
OUTPUT_DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}
_ALIGNMENT = 8
_LENGTH = 8  # bytes that say how long the header is
# Bytes of a header, of which 130 are what one tensor takes; as values of Python it takes thirty times as much memory.
_LONGEST_HEADER = 16_000_000
_LONGEST_NAME = 1000  # characters
_MOST_DIMENSIONS, _MOST_ELEMENTS = 64, 1 << 62  # that torch can count


@dataclass(frozen=True)
class TensorFile:
    """One safetensors file that is open for reading; any thread may read."""

    path: Path
    file: BinaryIO
    specs: Mapping[str, TensorSpec]
    offsets: Mapping[str, int]  # in the file
    metadata: Mapping[str, str]

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """The elements start to stop of a flattened tensor, in its own type."""
        dtype = self.specs[name].dtype
        values = torch.empty(stop - start, dtype=dtype)
        into = values.view(torch.uint8).numpy().data if values.numel() else memoryview(b"")
        offset, done = self.offsets[name] + start * dtype.itemsize, 0
        while done < len(into):
            got = os.preadv(self.file.fileno(), [into[done:]], offset + done)
            if got == 0:
                raise CheckpointError(f"{self.path} ends within {name}: it was cut short while it was read.")
            done += got
        return values

    def whole(self, name: str) -> Tensor:
        """A whole tensor, in its own type."""
        spec = self.specs[name]
        return self.read(name, 0, spec.elements).reshape(spec.shape)

    def close(self) -> None:
        """Closes the file."""
        self.file.close()


def open_tensors(path: Path) -> TensorFile:
    """The safetensors file at a path."""
    _refuse_long_header(path)
    try:
        with safe_open(path, framework="numpy"):  # torch would map the whole file to be written to
            pass  # the library checks that names, shapes and offsets fit each other and the file
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is no whole safetensors file ({error}): fetch or write it again."
        ) from error
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        header = json.loads(file.read(length))
    metadata = header.pop("__metadata__", {})
    specs, offsets = {}, {}
    for name, entry in header.items():
        if len(name) > _LONGEST_NAME:
            raise CheckpointError(
                f"{path} names a tensor in {len(name)} characters: fetch or write it again."
            )
        if entry["dtype"] not in DTYPES:
            raise CheckpointError(
                f"{name} in {path} is of type {entry['dtype']}, which cannot be merged: convert it."
            )
        specs[name] = TensorSpec(_shape(entry["shape"], name, path), DTYPES[entry["dtype"]])
        offsets[name] = _LENGTH + length + entry["data_offsets"][0]
    return TensorFile(path, path.open("rb", buffering=0), specs, offsets, metadata)


def _refuse_long_header(path: Path) -> None:
    """Raises CheckpointError before a header is read that would take all memory; the library allows a hundred megabytes."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH), "little")
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}): fetch it again.") from error
    if length > _LONGEST_HEADER:
        raise CheckpointError(
            f"{path} is no safetensors file, or its header has more than {_LONGEST_HEADER // 1_000_000} MB: fetch or write it "
            "again, in several files."
        )


def _shape(dimensions: Sequence[int], name: str, path: Path) -> tuple[int, ...]:
    """A shape that torch can hold, even of no elements."""
    if len(dimensions) > _MOST_DIMENSIONS or math.prod(size or 1 for size in dimensions) > _MOST_ELEMENTS:
        raise CheckpointError(f"{name} in {path} has a shape that no tensor has: fetch or write it again.")
    return tuple(dimensions)


@dataclass(frozen=True)
class NewFile:
    """A safetensors file to be written: its name, its tensors in order, and its metadata."""

    name: str
    specs: Mapping[str, TensorSpec]
    metadata: Mapping[str, str]

    @cached_property
    def header(self) -> bytes:
        """What stands before the numbers; the same tensors give the same bytes."""
        entries: dict[str, object] = {"__metadata__": dict(self.metadata)} if self.metadata else {}
        offset = 0
        for name, spec in self.specs.items():
            entries[name] = {
                "dtype": _DTYPE_NAMES[spec.dtype],
                "shape": list(spec.shape),
                "data_offsets": [offset, offset + spec.size],
            }
            offset += spec.size
        written = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
        written += b" " * (-len(written) % _ALIGNMENT)
        return len(written).to_bytes(_LENGTH, "little") + written

    @cached_property
    def offsets(self) -> Mapping[str, int]:
        """Where in the file each tensor begins."""
        offsets, offset = {}, len(self.header)
        for name, spec in self.specs.items():
            offsets[name] = offset
            offset += spec.size
        return offsets

    @property
    def size(self) -> int:
        """How many bytes the whole file takes."""
        return len(self.header) + sum(spec.size for spec in self.specs.values())


@dataclass(frozen=True)
class FileWriter:
    """A new file that is being filled; it gets its name only once it is whole."""

    new: NewFile
    folder: Path
    file: BinaryIO

    def write(self, name: str, start: int, values: Tensor) -> None:
        """Puts elements of a tensor, from `start` on, into their place."""
        spec = self.new.specs[name]
        flat = values.detach().reshape(-1).to("cpu", spec.dtype).contiguous()
        if not flat.numel():
            return
        data = flat.view(torch.uint8).numpy().data
        offset, done = self.new.offsets[name] + start * spec.dtype.itemsize, 0
        try:
            while done < len(data):
                done += os.pwrite(self.file.fileno(), data[done:], offset + done)
        except OSError as error:
            raise FusionError(
                f"{self.folder / self.new.name} cannot be written ({error.strerror}): mend that and run the same again, which "
                "goes on from the last whole file."
            ) from error

    def finish(self) -> Path:
        """Gives the file its name; from then on it is whole or not there, whatever happens."""
        os.fsync(self.file.fileno())
        self.file.close()
        target = self.folder / self.new.name
        Path(self.file.name).replace(target)
        return target

    def abandon(self) -> None:
        """Closes a file that stays unfinished."""
        self.file.close()

    def discard(self) -> None:
        """Closes a file that nobody will finish, and removes it."""
        self.file.close()
        Path(self.file.name).unlink()


def start_file(new: NewFile, folder: Path) -> FileWriter:
    """A writer of a new file in a folder, at its full size from the start."""
    path = folder / f"{new.name}.partial"
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("wb", buffering=0)
    file.write(new.header)
    file.truncate(new.size)
    return FileWriter(new, folder, file)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes tensors that are at hand into one file, whole or not at all."""
    specs = {name: TensorSpec(tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
    writer = start_file(NewFile(path.name, specs, metadata), path.parent)
    for name, tensor in tensors.items():
        writer.write(name, 0, tensor)
    writer.finish()


def split_into_shards(specs: Mapping[str, TensorSpec], largest: int) -> Sequence[Mapping[str, TensorSpec]]:
    """The tensors of each shard, in order: at most `largest` bytes, but at least one tensor."""
    files: list[dict[str, TensorSpec]] = [{}]
    filled = 0
    for name, spec in specs.items():
        if files[-1] and filled + spec.size > largest:
            files.append({})
            filled = 0
        files[-1][name] = spec
        filled += spec.size
    return files


def shard_names(count: int) -> Iterable[str]:
    """The file names that loaders expect of so many shards."""
    if count == 1:
        return ["model.safetensors"]
    return [f"model-{i:05d}-of-{count:05d}.safetensors" for i in range(1, count + 1)]
