"""Fuses models that a program holds: state dicts or modules in, a state dict out, by the same policy as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from mergebert_fusion.engine.memory import fuse_in_memory, refuse_count
from mergebert_fusion.engine.plan import Options, Plan, output_spec, planned
from mergebert_fusion.engine.streaming import one_thread_a_block
from mergebert_fusion.errors import CheckpointError
from mergebert_fusion.io.checkpoint import Checkpoint
from mergebert_fusion.io.source import MemorySource
from mergebert_fusion.methods.registry import method as method_named
from mergebert_fusion.recipe.parse import ModelEntry, Recipe, Slice
from mergebert_fusion.recipe.policy import BASE, Policy, Treatment
from mergebert_fusion.recipe.values import Given, Values

Model: TypeAlias = Mapping[str, Tensor] | nn.Module

_HERE = "memory"


def fuse(
    method: str,
    models: Mapping[str, Model],
    base: Model | None = None,
    *,
    parameters: Given | None = None,
    model_parameters: Mapping[str, Given] | None = None,
    policy: Policy | None = None,
    config: Mapping[str, Any] | None = None,
    seed: int = 0,
    threads: int = 1,
) -> dict[str, Tensor]:
    """The state dict of the fused model, in the types of the first one.

    Parameters are written as in a recipe; `config` is that of config.json, and says which tensors are tied where they do not
    share memory anyway.
    """
    card = method_named(method)
    refuse_count(card, len(models), base is not None)
    each = {name: (model_parameters or {}).get(name, {}) for name in models}
    Values(card, parameters or {}, tuple(each.values()), tuple(models)).refuse_unknown()
    entries = tuple(ModelEntry(name, _HERE, given) for name, given in each.items())
    recipe = Recipe(
        text="",
        file=Path(_HERE),
        method=card,
        slices=(Slice(entries, parameters or {}),),
        base=None if base is None else _HERE,
        dtype=None,
        tokenizer=None,
        architecture=None,
        policy=policy or Policy(),
        seed=seed,
        notes=(),
    )
    dicts = {name: _state_dict(model) for name, model in models.items()}
    shared = _shared(next(iter(dicts.values())))
    known = {name: _checkpoint(name, tensors, shared, config) for name, tensors in dicts.items()}
    origin = None if base is None else _checkpoint(BASE, _state_dict(base), shared, config)
    fused = _carried_out(planned(recipe, known, origin, Options(threads=threads)))
    return fused | {second: fused[first] for second, first in shared.items() if first in fused}


def _state_dict(model: Model) -> Mapping[str, Tensor]:
    return model.state_dict() if isinstance(model, nn.Module) else model


def _shared(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Every name that shares the memory of an earlier one, with that one: tied tensors have to count once."""
    first: dict[tuple[int, torch.Size], str] = {}
    found = {}
    for name, tensor in tensors.items():
        if tensor.numel():
            original = first.setdefault((tensor.data_ptr(), tensor.shape), name)
            if original != name:
                found[name] = original
    return found


def _checkpoint(
    name: str, tensors: Mapping[str, Tensor], shared: Mapping[str, str], config: Mapping[str, Any] | None
) -> Checkpoint:
    own = MemorySource({tensor: values for tensor, values in tensors.items() if tensor not in shared})
    return Checkpoint(name, _HERE, own, config or {}, (), ())


def _carried_out(plan: Plan) -> dict[str, Tensor]:
    """Every tensor that a plan writes, made in memory."""
    with one_thread_a_block():
        made = {
            n: t for merge in (*plan.merges, *plan.averages) for n, t in fuse_in_memory(merge).tensors.items()
        }
    fused = {}
    for decision in plan.decisions:
        name, part = decision.place.name, plan.parts[decision.part]
        if decision.treatment in (Treatment.COPY, Treatment.EQUAL):
            made[name] = part.source(decision.source).read(name, 0, decision.place.elements)
        if decision.treatment is Treatment.EQUAL:
            for other, model in part.models.items():
                if not torch.equal(made[name], model.source.read(name, 0, decision.place.elements)):
                    raise CheckpointError(
                        f"{name} holds other values in {other} than in {decision.source}: take one model's with "
                        "Policy(buffers=NAME)."
                    )
        if name in made:
            dtype = output_spec(decision, None).dtype
            fused[name] = made[name].reshape(decision.place.shape).to(dtype, copy=True)
    for decision in plan.decisions:
        if decision.treatment is Treatment.ALIAS and decision.source in fused:
            fused[decision.place.name] = fused[decision.source]
    return fused
