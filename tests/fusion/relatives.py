"""Tiny models: one base and fine-tuned relatives of it, with the places of their tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Group, TensorPlace

SHAPES = {
    "embeddings.weight": (11, 6),
    "layer.0.up.weight": (8, 6),
    "layer.0.up.bias": (8,),
    "layer.1.up.weight": (8, 6),
    "layer.1.up.bias": (8,),
    "layer.2.up.weight": (8, 6),
    "layer.2.up.bias": (8,),
    "norm.weight": (6,),
    "head.weight": (3, 6),
    "head.scale": (),
}


@dataclass(frozen=True)
class Relatives:
    """A base, models fine-tuned from it, and where each tensor stands."""

    base: dict[str, Tensor]
    models: dict[str, dict[str, Tensor]]
    places: dict[str, TensorPlace]


def place_of(name: str, shape: tuple[int, ...]) -> TensorPlace:
    group = {"embeddings": Group.EMBEDDING, "layer": Group.LAYER, "norm": Group.NORM, "head": Group.HEAD}[
        name.split(".")[0]
    ]
    layer = int(name.split(".")[1]) if group is Group.LAYER else None
    return TensorPlace(name, shape, group, layer, 3)


def relatives_of(count: int, seed: int = 0, change: float = 0.1) -> Relatives:
    """A random base and `count` models named task0, task1 and so on."""
    generator = torch.Generator().manual_seed(seed)
    base = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    models = {
        f"task{i}": {n: t + change * torch.randn(t.shape, generator=generator) for n, t in base.items()}
        for i in range(count)
    }
    return Relatives(base, models, {name: place_of(name, shape) for name, shape in SHAPES.items()})


MakeRelatives = Callable[..., Relatives]
