"""Whole models as one vector each, for references that are written straight from an equation."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tests.fusion.relatives import Relatives

Tensors = Mapping[str, Tensor]

# Shapes at which methods break: a scalar, a vector, one column, one row.
ODD_SHAPES = {"scalar": (), "vector": (5,), "column": (4, 1), "row": (1, 4)}


def flat(tensors: Tensors) -> Tensor:
    """All tensors one after the other, in order of their names, in float64."""
    return torch.cat([tensors[name].reshape(-1).to(torch.float64) for name in sorted(tensors)])


def task_vectors(models: Mapping[str, Tensors], base: Tensors) -> Tensor:
    """What each model changed, subtracted in float32 as the engine does."""
    return torch.stack([flat({name: model[name] - base[name] for name in base}) for model in models.values()])


def changes(tensors: Tensors, relatives: Relatives) -> Tensor:
    """What a merge made of the base."""
    return flat(tensors) - flat(relatives.base)


def constant(value: float) -> dict[str, Tensor]:
    """A model of odd shapes with one value everywhere."""
    return {name: torch.full(shape, value) for name, shape in ODD_SHAPES.items()}


def assert_same_bits(a: Tensors, b: Tensors) -> None:
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def assert_near(a: Tensors, b: Tensors) -> None:
    assert a.keys() == b.keys()
    torch.testing.assert_close(flat(a), flat(b), rtol=1e-5, atol=1e-6)
