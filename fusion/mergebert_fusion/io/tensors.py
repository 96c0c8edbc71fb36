"""Named tensors that can be read a run of elements at a time, wherever they lie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Shape and type of a tensor that has not been read."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def elements(self) -> int:
        """How many scalars it holds."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return self.elements * self.dtype.itemsize


class TensorSource(Protocol):
    """The tensors of one model, by name, read lazily; any thread may read."""

    @property
    def specs(self) -> Mapping[str, TensorSpec]:
        """Shape and type of every tensor."""

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """The elements start to stop of the flattened tensor, in its own type."""


@dataclass(frozen=True)
class MemorySource:
    """A state dict as a source."""

    tensors: Mapping[str, Tensor]

    @cached_property
    def specs(self) -> Mapping[str, TensorSpec]:
        """Shape and type of every tensor."""
        return {name: TensorSpec(tuple(tensor.shape), tensor.dtype) for name, tensor in self.tensors.items()}

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """The elements start to stop of the flattened tensor."""
        return self.tensors[name].detach().reshape(-1)[start:stop]


@dataclass(frozen=True)
class JoinedSource:
    """Several files as one source; a tensor stands in exactly one of them."""

    file_of: Mapping[str, TensorSource]  # by tensor

    @cached_property
    def specs(self) -> Mapping[str, TensorSpec]:
        """Shape and type of every tensor."""
        return {name: file.specs[name] for name, file in self.file_of.items()}

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """The elements start to stop of the flattened tensor."""
        return self.file_of[name].read(name, start, stop)


@dataclass(frozen=True)
class RenamedSource:
    """A source whose tensors go by other names; one that is not in the table is not there."""

    source: TensorSource
    names: Mapping[str, str]  # new name to the one in the source

    @cached_property
    def specs(self) -> Mapping[str, TensorSpec]:
        """Shape and type of every tensor."""
        specs = self.source.specs
        return {new: specs[old] for new, old in self.names.items()}

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """The elements start to stop of the flattened tensor."""
        return self.source.read(self.names[name], start, stop)
