"""What a merge method sees: the same elements of one tensor from the base and from every model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Generic, TypeVar

from torch import Tensor

from mergebert_fusion.contract.randomness import uniform

P = TypeVar("P")  # the parameters of the method
M = TypeVar("M")  # its parameters for one model
F = TypeVar("F")  # what its survey found


class Group(Enum):
    """The part of a network that a tensor belongs to."""

    EMBEDDING = "embedding"
    LAYER = "layer"
    NORM = "norm"  # the norm after the last layer
    HEAD = "head"
    OTHER = "other"


class Grain(Enum):
    """How finely a tensor may be split before a method sees it."""

    ELEMENT = "element"  # any run of elements, flat [count]
    ROW = "row"  # whole rows [rows, last dimension]; a vector is one row
    TENSOR = "tensor"  # the tensor in its own shape


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """Shape and place in the network of one tensor: what a method may decide by, instead of by names."""

    name: str
    shape: tuple[int, ...]
    group: Group = Group.OTHER
    layer: int | None = None
    layers: int = 0  # how many layers the stack of this tensor has
    stack: str = ""  # "encoder" or "decoder" where a model has both

    @property
    def elements(self) -> int:
        """How many scalars the tensor has."""
        return math.prod(self.shape)

    @property
    def depth(self) -> float:
        """0 for the first layer and what comes before it, 1 for the last and what comes after."""
        if self.layer is None:
            return 1.0 if self.group in (Group.NORM, Group.HEAD) else 0.0
        return self.layer / (self.layers - 1) if self.layers > 1 else 0.0

    @property
    def is_linear(self) -> bool:
        """Whether it is the weight matrix of a linear map, as opposed to a table, a bias or a norm."""
        return len(self.shape) == 2 and self.group is not Group.EMBEDDING


@dataclass(frozen=True)
class Block(Generic[P, M, F]):
    """The same elements of one tensor from the base and from every model, in float32 and read only."""

    place: TensorPlace
    start: int  # index of its first element in the flattened tensor
    base: Tensor | None
    models: tuple[Tensor, ...]
    names: tuple[str, ...]
    parameters: P  # as they hold for this tensor
    each: tuple[M, ...]  # as they hold for this tensor, in the order of the models
    found: F  # None without a survey
    seed: int = 0
    local: Any = None  # what the local survey of the method found of this tensor

    @property
    def origin(self) -> Tensor:
        """The base, for a method that requires one."""
        assert self.base is not None, "a method that uses the base says so in its table entry"
        return self.base

    @cached_property
    def task_vectors(self) -> tuple[Tensor, ...]:
        """What each model changed: its elements minus those of the base."""
        return tuple(model - self.origin for model in self.models)

    @property
    def vectors(self) -> tuple[Tensor, ...]:
        """The task vectors; the models themselves where there is no base."""
        return self.models if self.base is None else self.task_vectors

    def on_base(self, vector: Tensor) -> Tensor:
        """The base plus a vector; the vector itself where there is no base."""
        return vector if self.base is None else self.base + vector

    def uniform(self, model: int) -> Tensor:
        """A random number in [0, 1) for each element of one model's block, in its shape and on its device."""
        like = self.models[model]
        drawn = uniform(self.seed, self.names[model], self.place.name, self.start, like.numel())
        return drawn.reshape(like.shape).to(like.device)
