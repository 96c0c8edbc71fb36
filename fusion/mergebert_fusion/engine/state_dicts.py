"""Fuses models that a program holds: state dicts or modules in, a state dict out, by the same policy as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from mergebert_fusion.contract.method import MERGED, AnyMethod, BaseUse, SequentialMethod
from mergebert_fusion.engine.plan import Plan, RunOptions, output_spec, planned
from mergebert_fusion.engine.sequential import finished, stepped
from mergebert_fusion.engine.streaming import Job, Merge, one_thread_a_block, ordered, outputs_of, surveyed
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.io.checkpoint import Checkpoint
from mergebert_fusion.io.tensors import MemorySource
from mergebert_fusion.methods.registry import method_named
from mergebert_fusion.recipe.parameter_values import ParameterValues, RawParameters
from mergebert_fusion.recipe.policy import BASE, Policy, Treatment
from mergebert_fusion.recipe.reading import ModelEntry, Recipe, Slice

Model: TypeAlias = Mapping[str, Tensor] | nn.Module

_HERE = "memory"


@dataclass(frozen=True)
class Fused:
    """The outcome of a merge: the merged tensors, what else the method keeps, and what its survey found."""

    tensors: dict[str, Tensor]
    artifacts: dict[str, dict[str, Tensor]] = field(default_factory=dict)  # artifact, then tensor
    found: Any = None


def fuse(
    method: str,
    models: Mapping[str, Model],
    base: Model | None = None,
    *,
    parameters: RawParameters | None = None,
    model_parameters: Mapping[str, RawParameters] | None = None,
    policy: Policy | None = None,
    config: Mapping[str, Any] | None = None,
    seed: int = 0,
    threads: int = 1,
) -> dict[str, Tensor]:
    """The state dict of the fused model, in the types of the first one.

    Parameters are written as in a recipe; `config` is that of config.json, and says which tensors are tied where they do not
    share memory anyway.
    """
    merge_method = method_named(method)
    refuse_count(merge_method, len(models), base is not None)
    recipe = Recipe(
        text="",
        file=Path(_HERE),
        method=merge_method,
        slices=(_slice(merge_method, tuple(models), parameters or {}, model_parameters or {}),),
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
    checkpoints = {name: _checkpoint(name, tensors, shared, config) for name, tensors in dicts.items()}
    origin = None if base is None else _checkpoint(BASE, _state_dict(base), shared, config)
    fused = _carried_out(planned(recipe, checkpoints, origin, RunOptions(threads=threads)))
    return fused | {second: fused[first] for second, first in shared.items() if first in fused}


def _slice(
    method: AnyMethod,
    names: tuple[str, ...],
    parameters: RawParameters,
    model_parameters: Mapping[str, RawParameters],
) -> Slice:
    """The models as the one slice of a recipe; raises RecipeError for a parameter that the method does not have."""
    each = tuple(model_parameters.get(name, {}) for name in names)
    ParameterValues(method, parameters, each, names).refuse_unknown()
    entries = (ModelEntry(name, _HERE, given) for name, given in zip(names, each, strict=True))
    return Slice(tuple(entries), parameters)


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
        made: dict[str, Tensor] = {}
        for merge in (*plan.merges, *plan.averages):
            made |= merged_in_memory(merge).tensors
    fused = {}
    for decision in plan.decisions:
        name, inputs = decision.place.name, plan.slices[decision.slice_number]
        if decision.treatment in (Treatment.COPY, Treatment.EQUAL):
            made[name] = inputs.copied(decision, 0, decision.place.elements)
        if name in made:
            dtype = output_spec(decision, None).dtype
            fused[name] = made[name].reshape(decision.place.shape).to(dtype, copy=True)
    for decision in plan.decisions:
        if decision.treatment is Treatment.ALIAS and decision.source in fused:
            fused[decision.place.name] = fused[decision.source]
    return fused


def refuse_count(method: AnyMethod, models: int, has_base: bool) -> None:
    """Raises RecipeError when a method is given too few or too many models, or misses its base."""
    if models < method.least_models:
        raise RecipeError(
            f"{method.name} needs at least {method.least_models} models, and {models} are given."
        )
    if method.most_models is not None and models > method.most_models:
        raise RecipeError(f"{method.name} takes at most {method.most_models} models, and {models} are given.")
    if method.base is BaseUse.REQUIRED and not has_base:
        raise RecipeError(f"{method.name} needs the model that all others come from: give base_model.")


def merged_in_memory(merge: Merge) -> Fused:
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
    return Fused(joined.pop(MERGED), joined, found)


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
