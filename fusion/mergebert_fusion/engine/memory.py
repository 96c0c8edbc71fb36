"""Runs a method on tensors in memory, every one of them merged: what tests of methods use, and state_dicts.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Block, Place
from mergebert_fusion.contract.method import AnyMethod, Base, MergeMethod, SequentialMethod
from mergebert_fusion.engine.sequence import finished, stepped
from mergebert_fusion.engine.streaming import (
    BLOCK,
    Job,
    Merge,
    one_thread_a_block,
    ordered,
    outputs_of,
    surveyed,
)
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.io.source import MemorySource
from mergebert_fusion.recipe.values import Given, Values

StateDict = Mapping[str, Tensor]


@dataclass(frozen=True)
class Fused:
    """The outcome of a merge: the merged tensors, what else the method keeps, and what its survey found."""

    tensors: dict[str, Tensor]
    artifacts: dict[str, dict[str, Tensor]] = field(default_factory=dict)  # artifact, then tensor
    found: Any = None


def fused_tensors(
    method: AnyMethod,
    models: Mapping[str, StateDict],
    base: StateDict | None = None,
    *,
    parameters: Given | None = None,
    model_parameters: Mapping[str, Given] | None = None,
    places: Mapping[str, Place] | None = None,
    seed: int = 0,
    threads: int = 1,
    block: int = BLOCK,
) -> Fused:
    """The models merged, in float32; `parameters` are written as in a recipe, `places` says where tensors stand."""
    names = tuple(models)
    each = tuple((model_parameters or {}).get(name, {}) for name in names)
    refuse_count(method, len(names), base is not None)
    values = Values(method, parameters or {}, each, names)
    values.refuse_unknown()
    first = models[names[0]]
    merge = Merge(
        method=method,
        names=names,
        models=tuple(MemorySource(tensors) for tensors in models.values()),
        base=None if base is None or method.base is Base.UNUSED else MemorySource(base),
        values=values,
        places=tuple((places or {}).get(n, Place(n, tuple(t.shape))) for n, t in first.items()),
        seed=seed,
        threads=threads,
        block=block,
    )
    with one_thread_a_block():
        return fuse_in_memory(merge)


def restored(
    method: MergeMethod,
    outcome: Fused,
    base: StateDict,
    model: str,
    *,
    names: tuple[str, ...] = (),
    places: Mapping[str, Place] | None = None,
) -> dict[str, Tensor]:
    """One model given back from what a method kept."""
    assert method.restore is not None, f"{method.name} keeps nothing to restore from"
    tensors = {}
    for name, tensor in base.items():
        place = (places or {}).get(name, Place(name, tuple(tensor.shape)))
        artifacts = {kept: values[name].reshape(-1) for kept, values in outcome.artifacts.items()}
        block: Block[Any, Any, Any] = Block(
            place, 0, tensor.reshape(-1).to(torch.float32), (), names, None, (), outcome.found
        )
        tensors[name] = method.restore(block, artifacts, model).reshape(tensor.shape)
    return tensors


def refuse_count(method: AnyMethod, models: int, has_base: bool) -> None:
    """Raises RecipeError when a method is given too few or too many models, or misses its base."""
    if models < method.least_models:
        raise RecipeError(
            f"{method.name} needs at least {method.least_models} models, and {models} are given."
        )
    if method.most_models is not None and models > method.most_models:
        raise RecipeError(f"{method.name} takes at most {method.most_models} models, and {models} are given.")
    if method.base is Base.REQUIRED and not has_base:
        raise RecipeError(f"{method.name} needs the model that all others come from: give base_model.")


def fuse_in_memory(merge: Merge) -> Fused:
    """What a merge makes of all its tensors."""
    if isinstance(merge.method, SequentialMethod):
        return _in_sequence(merge, merge.method)
    found = surveyed(merge)
    outputs: dict[str, dict[str, list[Tensor]]] = {}
    computed = ordered(lambda job: (job, outputs_of(merge, found, job)), merge.jobs(), merge.threads)
    for job, parts in computed:
        for artifact, part in parts.items():
            outputs.setdefault(artifact, {}).setdefault(job.place.name, []).append(part)
    joined = {kind: _joined(merge, parts) for kind, parts in outputs.items()}
    return Fused(joined.pop(""), joined, found)


def _in_sequence(merge: Merge, method: SequentialMethod) -> Fused:
    numbers = method.begin()
    states: dict[Job, Tensor] = {}
    for model in range(len(merge.models)):
        numbers = stepped(merge, model, numbers, states.get, states.__setitem__)
    parts: dict[str, list[Tensor]] = {}
    for job, state in states.items():
        parts.setdefault(job.place.name, []).append(finished(merge, numbers, job, state))
    return Fused(_joined(merge, parts), found=numbers)


def _joined(merge: Merge, parts: Mapping[str, list[Tensor]]) -> dict[str, Tensor]:
    shapes = {place.name: place.shape for place in merge.places}
    empty = [torch.zeros(0)]
    return {name: torch.cat(parts.get(name, empty)).reshape(shape) for name, shape in shapes.items()}


def shown_size(count: int) -> str:
    """A number of bytes for people."""
    for unit, size in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
