"""The tensor files of a fusion being written: shards of the model, and the same tensors of every artifact beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mergebert_fusion.contract.method import MERGED
from mergebert_fusion.engine.plan import COMPUTED, Shard
from mergebert_fusion.io.safetensors import FileWriter, NewFile, start_file
from mergebert_fusion.io.tensors import TensorSpec

ARTIFACTS = "artifacts"
_BITS = {"format": "pt", "packed": "one bit a value, the lowest bit first"}


@dataclass
class ShardWriter:
    """The open files of a shard; those of artifacts join when the first of their blocks comes."""

    shard: Shard
    folder: Path
    writers: dict[str, FileWriter] = field(default_factory=dict)  # by artifact, MERGED for the model

    def write(self, artifact: str, name: str, start: int, values: Tensor) -> None:
        """Puts computed elements of the model (MERGED) or of an artifact into their place."""
        if artifact not in self.writers:
            self.writers[artifact] = start_file(self._file(artifact, values.dtype == torch.bool), self.folder)
        if values.dtype == torch.bool and artifact != MERGED:
            self.writers[artifact].write(name, start // 8, packed(values))
        else:
            self.writers[artifact].write(name, start, values)

    def finish(self) -> Sequence[str]:
        """Gives all files their names and returns these."""
        if MERGED not in self.writers:  # nothing but empty tensors
            self.writers[MERGED] = start_file(self.shard.file, self.folder)
        return [writer.finish().relative_to(self.folder).as_posix() for writer in self.writers.values()]

    def abandon(self) -> None:
        """Closes the files of a shard that stays unfinished."""
        for writer in self.writers.values():
            writer.abandon()

    def _file(self, artifact: str, is_bits: bool) -> NewFile:
        if artifact == MERGED:
            return self.shard.file
        specs = {}
        for decision in self.shard.decisions:
            if decision.treatment is COMPUTED[0]:
                spec = self.shard.file.specs[decision.place.name]
                specs[decision.place.name] = (
                    TensorSpec((-(-spec.elements // 8),), torch.uint8) if is_bits else spec
                )
        return NewFile(artifact_file(artifact, self.shard), specs, _BITS if is_bits else {"format": "pt"})


def artifact_file(artifact: str, shard: Shard) -> str:
    """The file of an artifact beside a shard of the model."""
    return f"{ARTIFACTS}/{artifact}{shard.file.name.removeprefix('model')}"


def packed(bits: Tensor) -> Tensor:
    """Truth values as bytes of eight, the lowest bit first."""
    return torch.from_numpy(np.packbits(bits.reshape(-1).numpy(), bitorder="little"))


def unpacked(packed_bits: Tensor, count: int) -> Tensor:
    """The first `count` truth values of what `packed` gave."""
    return torch.from_numpy(np.unpackbits(packed_bits.numpy(), count=count, bitorder="little").astype(bool))
