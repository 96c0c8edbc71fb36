"""LoRA adapters as PEFT writes them, added to their base while it is read.

W = W_0 + scaling * B A, scaling = alpha / r, or alpha / sqrt(r) where rank-stabilised. The sum is float32: it is not
rounded to the type of the base as merging an adapter beforehand would.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mergebert_fusion.errors import CheckpointError
from mergebert_fusion.io.files import json_in
from mergebert_fusion.io.safetensors import TensorFile, open_tensors
from mergebert_fusion.io.tensors import TensorSource, TensorSpec

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
# What starts from other base weights than the ones on disk, or adds more than B A.
_REFUSED_STARTS = ("pissa", "olora", "corda", "loftq")
_REFUSED_FLAGS = (
    "use_dora",
    "lora_bias",
    "layer_replication",
    "use_qalora",
    "trainable_token_indices",
    "arrow_config",
)
_MATRIX, _TABLE = ("lora_A.weight", "lora_B.weight"), ("lora_embedding_A", "lora_embedding_B")
_PART = re.compile(rf"(?P<module>.+)\.(?P<part>{'|'.join(map(re.escape, _MATRIX + _TABLE))})$")


@dataclass(frozen=True, slots=True)
class LowRankUpdate:
    """What an adapter adds to one tensor, [rows, columns]: scaling * left @ right."""

    left: Tensor  # [rows, r]
    right: Tensor  # [r, columns]
    scaling: float

    def rows(self, first: int, last: int) -> Tensor:
        """The rows first to last of what is added."""
        return (self.left[first:last] @ self.right) * self.scaling


@dataclass(frozen=True)
class LoraSource:
    """A base with an adapter merged into it tensor by tensor."""

    base: TensorSource
    updates: Mapping[str, LowRankUpdate]
    saved: Mapping[str, Tensor]  # tensors that the adapter holds whole: heads and biases that were trained

    @cached_property
    def specs(self) -> Mapping[str, TensorSpec]:
        """Shape and type of every tensor."""
        saved = {name: TensorSpec(tuple(t.shape), t.dtype) for name, t in self.saved.items()}
        return {**self.base.specs, **saved}

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """The elements start to stop of the flattened tensor; in float32 where the adapter changes it."""
        if name in self.saved:
            return self.saved[name].reshape(-1)[start:stop]
        values = self.base.read(name, start, stop)
        if name not in self.updates:
            return values
        columns = self.base.specs[name].shape[-1]
        first, last = start // columns, -(-stop // columns)
        added = self.updates[name].rows(first, last).reshape(-1)
        return values.to(torch.float32) + added[start - first * columns : stop - first * columns]


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter rather than a whole model."""
    return (folder / ADAPTER_CONFIG).is_file()


def adapter_config(folder: Path) -> Mapping[str, Any]:
    """The settings of an adapter, after refusing those that B A alone cannot express."""
    path = folder / ADAPTER_CONFIG
    try:
        config: Mapping[str, Any] = json_in(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): fetch or write it again.") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} holds no settings: fetch or write it again.")
    kind, start = config.get("peft_type"), str(config.get("init_lora_weights", True)).lower()
    flags = [flag for flag in _REFUSED_FLAGS if config.get(flag)]
    if kind != "LORA" or flags or start.startswith(_REFUSED_STARTS):
        why = f"peft_type {kind}" if kind != "LORA" else ", ".join(flags) or f"init_lora_weights {start}"
        raise CheckpointError(
            f"{folder} is an adapter with {why}, which is more than W + B A: merge it into its base with PEFT first."
        )
    return config


def adapted(base: TensorSource, folder: Path) -> LoraSource:
    """A base with the adapter of a folder."""
    config = adapter_config(folder)
    file = open_tensors(folder / ADAPTER_WEIGHTS)
    try:
        halves, saved = _sorted_out(file, folder)
    finally:
        file.close()
    names = {name: _name_in(base, name) or name for name in saved}
    updates = dict(_updates(halves, config, base, folder))
    return LoraSource(base, updates, {names[name]: tensor for name, tensor in saved.items()})


def _sorted_out(file: TensorFile, folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Tensor]]:
    """The A and B of each module, by the end of their names, and the tensors that the adapter holds whole."""
    halves: dict[str, dict[str, Tensor]] = {}
    saved = {}
    for name, spec in file.specs.items():
        tensor = file.read(name, 0, spec.elements).reshape(spec.shape)
        own = name.removeprefix(_PREFIX)
        match = _PART.match(own)
        if match:
            halves.setdefault(match["module"], {})[match["part"]] = tensor.to(torch.float32)
        elif "lora_" in own:
            raise CheckpointError(
                f"{name} in {folder} is no part of a plain LoRA: merge it into its base with PEFT first."
            )
        else:
            saved[own.replace(".modules_to_save", "").replace(".base_layer", "")] = tensor
    return halves, saved


def _updates(
    halves: Mapping[str, Mapping[str, Tensor]], config: Mapping[str, Any], base: TensorSource, folder: Path
) -> Iterator[tuple[str, LowRankUpdate]]:
    for module, pair in halves.items():
        name = _name_in(base, f"{module}.weight")
        if name is None:
            raise CheckpointError(
                f"{folder} changes {module}, which its base does not have: give the right base."
            )
        if set(pair) not in (set(_MATRIX), set(_TABLE)):
            raise CheckpointError(
                f"{folder} holds only half of the pair for {module}: fetch or write it again."
            )
        update = _update(module, pair, config)
        shape, was = (update.left.shape[0], update.right.shape[1]), base.specs[name].shape
        if was != shape:
            raise CheckpointError(
                f"{folder} changes {name} as {shape}, but its base has {was}: give the right base."
            )
        yield name, update


def _update(module: str, pair: Mapping[str, Tensor], config: Mapping[str, Any]) -> LowRankUpdate:
    is_table = set(pair) == set(_TABLE)
    a, b = (pair[part] for part in (_TABLE if is_table else _MATRIX))  # [r, inputs], [outputs, r]
    rank = _patterned(config.get("rank_pattern"), module, a.shape[0])
    alpha = _patterned(config.get("alpha_pattern"), module, config["lora_alpha"])
    scaling = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
    # Tables, and the transposed matrices of GPT-2, have one row an input.
    if is_table or config.get("fan_in_fan_out"):
        return LowRankUpdate(a.T.contiguous(), b.T.contiguous(), scaling)
    return LowRankUpdate(b, a, scaling)


def _patterned(patterns: Mapping[str, float] | None, module: str, otherwise: float) -> float:
    """What a table of module name endings says of a module."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return otherwise


def _name_in(base: TensorSource, name: str) -> str | None:
    """The tensor that an adapter means: heads put a prefix before the names of the bare model, or take one away."""
    if name in base.specs:
        return name
    near = [other for other in base.specs if other.endswith(f".{name}") or name.endswith(f".{other}")]
    return near[0] if len(near) == 1 else None
