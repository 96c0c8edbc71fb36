"""Methods run on tensors at hand, every one of them merged in float32, with all that a method found and keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Block, TensorPlace
from mergebert_fusion.contract.method import AnyMethod, BaseUse, MergeMethod
from mergebert_fusion.engine.state_dicts import Fused, merged_in_memory, refuse_count
from mergebert_fusion.engine.streaming import BLOCK, Merge, one_thread_a_block
from mergebert_fusion.io.tensors import MemorySource
from mergebert_fusion.recipe.parameter_values import ParameterValues, RawParameters

StateDict = Mapping[str, Tensor]


def fused_tensors(
    method: AnyMethod,
    models: Mapping[str, StateDict],
    base: StateDict | None = None,
    *,
    parameters: RawParameters | None = None,
    model_parameters: Mapping[str, RawParameters] | None = None,
    places: Mapping[str, TensorPlace] | None = None,
    seed: int = 0,
    threads: int = 1,
    block: int = BLOCK,
) -> Fused:
    """The models merged, in float32; `parameters` are written as in a recipe, `places` says where tensors stand."""
    names = tuple(models)
    each = tuple((model_parameters or {}).get(name, {}) for name in names)
    refuse_count(method, len(names), base is not None)
    values = ParameterValues(method, parameters or {}, each, names)
    values.refuse_unknown()
    first = models[names[0]]
    merge = Merge(
        method=method,
        names=names,
        models=tuple(MemorySource(tensors) for tensors in models.values()),
        base=None if base is None or method.base is BaseUse.UNUSED else MemorySource(base),
        values=values,
        places=tuple((places or {}).get(n, TensorPlace(n, tuple(t.shape))) for n, t in first.items()),
        seed=seed,
        threads=threads,
        block=block,
    )
    with one_thread_a_block():
        return merged_in_memory(merge)


def restored(
    method: MergeMethod,
    outcome: Fused,
    base: StateDict,
    model: str,
    *,
    names: tuple[str, ...] = (),
    places: Mapping[str, TensorPlace] | None = None,
) -> dict[str, Tensor]:
    """One model given back from what a method kept."""
    assert method.restore is not None, f"{method.name} keeps nothing to restore from"
    tensors = {}
    for name, tensor in base.items():
        place = (places or {}).get(name, TensorPlace(name, tuple(tensor.shape)))
        artifacts = {kept: values[name].reshape(-1) for kept, values in outcome.artifacts.items()}
        block: Block[Any, Any, Any] = Block(
            place, 0, tensor.reshape(-1).to(torch.float32), (), names, None, (), outcome.found
        )
        tensors[name] = method.restore(block, artifacts, model).reshape(tensor.shape)
    return tensors
