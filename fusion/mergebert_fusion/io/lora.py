"""LoRA adapters as PEFT writes them, added to their base while it is read.

W = W_0 + scaling * B A, scaling = alpha / r, or alpha / sqrt(r) where rank-stabilised. The sum is float32: it is not
rounded to the type of the base as merging an adapter beforehand would.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mergebert.strict_json import json_in
from mergebert_fusion.errors import CheckpointError
from mergebert_fusion.io.files import regular
from mergebert_fusion.io.safetensors import TensorFile, open_tensors
from mergebert_fusion.io.tensors import TensorSource, TensorSpec

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
_KEPT = 4  # pairs of matrices
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


@dataclass(frozen=True, slots=True)
class Pair:
    """The matrices A, [r, inputs], and B, [outputs, r], of one module, by their names in the file of the adapter."""

    file: TensorFile
    a: str
    b: str
    scaling: float
    is_transposed: bool  # one row an input, as tables and the matrices of GPT-2 have

    @property
    def rank(self) -> int:
        """The rows of A."""
        return self.file.specs[self.a].shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of what they add."""
        inputs, outputs = self.file.specs[self.a].shape[1], self.file.specs[self.b].shape[0]
        return (inputs, outputs) if self.is_transposed else (outputs, inputs)

    def update(self) -> LowRankUpdate:
        """What they add, read from the file."""
        a, b = (self.file.whole(name).to(torch.float32) for name in (self.a, self.b))
        if self.is_transposed:
            return LowRankUpdate(a.T.contiguous(), b.T.contiguous(), self.scaling)
        return LowRankUpdate(b, a, self.scaling)


@dataclass(frozen=True)
class LoraSource:
    """A base with an adapter merged into it tensor by tensor."""

    base: TensorSource
    pairs: Mapping[str, Pair]
    file: TensorFile
    saved: Mapping[
        str, str
    ]  # tensors that the adapter holds whole, heads and biases that were trained, by name in its file

    @cached_property
    def specs(self) -> Mapping[str, TensorSpec]:
        """Shape and type of every tensor."""
        return {**self.base.specs, **{name: self.file.specs[own] for name, own in self.saved.items()}}

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """The elements start to stop of the flattened tensor; in float32 where the adapter changes it."""
        if name in self.saved:
            return self.file.read(self.saved[name], start, stop)
        values = self.base.read(name, start, stop)
        if name not in self.pairs:
            return values
        columns = self.base.specs[name].shape[-1]
        first, last = start // columns, -(-stop // columns)
        added = self._update(name).rows(first, last).reshape(-1)
        return values.to(torch.float32) + added[start - first * columns : stop - first * columns]

    @cached_property
    def _update(self) -> Callable[[str], LowRankUpdate]:
        """What is added to a tensor; blocks of one tensor are read one after the other, so a few are kept."""
        return lru_cache(_KEPT)(lambda name: self.pairs[name].update())


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


def adapted(base: TensorSource, folder: Path, stack: ExitStack) -> LoraSource:
    """A base with the adapter of a folder, whose file stays open until `stack` closes it."""
    config = adapter_config(folder)
    file = open_tensors(regular(folder / ADAPTER_WEIGHTS))
    stack.callback(file.close)
    halves, saved = _sorted_out(file, folder)
    pairs = dict(_pairs(halves, config, base, file, folder))
    return LoraSource(base, pairs, file, {_name_in(base, name) or name: own for name, own in saved.items()})


def _sorted_out(file: TensorFile, folder: Path) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """The names of A and B of each module, by the end of their names, and of the tensors that the adapter holds whole."""
    halves: dict[str, dict[str, str]] = {}
    saved = {}
    for name in file.specs:
        own = name.removeprefix(_PREFIX)
        match = _PART.match(own)
        if match:
            halves.setdefault(match["module"], {})[match["part"]] = name
        elif "lora_" in own:
            raise CheckpointError(
                f"{name} in {folder} is no part of a plain LoRA: merge it into its base with PEFT first."
            )
        else:
            saved[own.replace(".modules_to_save", "").replace(".base_layer", "")] = name
    return halves, saved


def _pairs(
    halves: Mapping[str, Mapping[str, str]],
    config: Mapping[str, Any],
    base: TensorSource,
    file: TensorFile,
    folder: Path,
) -> Iterator[tuple[str, Pair]]:
    for module, parts in halves.items():
        name = _name_in(base, f"{module}.weight")
        if name is None:
            raise CheckpointError(
                f"{folder} changes {module}, which its base does not have: give the right base."
            )
        if set(parts) not in (set(_MATRIX), set(_TABLE)):
            raise CheckpointError(
                f"{folder} holds only half of the pair for {module}: fetch or write it again."
            )
        try:
            pair = _pair(file, module, parts, config)
        except (
            AttributeError,
            KeyError,
            TypeError,
            ValueError,
            OverflowError,
            ZeroDivisionError,
            re.error,
        ) as error:
            raise CheckpointError(
                f"{folder} holds no pair of matrices for {module}, or no scaling of it: fetch or write it again."
            ) from error
        was = base.specs[name].shape
        if was != pair.shape or pair.rank > max(was):
            raise CheckpointError(
                f"{folder} changes {name} as {pair.shape} by rank {pair.rank}, but its base has {was}: give the right base."
            )
        yield name, pair


def _pair(file: TensorFile, module: str, parts: Mapping[str, str], config: Mapping[str, Any]) -> Pair:
    is_table = set(parts) == set(_TABLE)
    a, b = (parts[part] for part in (_TABLE if is_table else _MATRIX))
    (rows, _), (_, columns) = file.specs[a].shape, file.specs[b].shape
    if rows != columns:
        raise ValueError("two ranks")
    rank = _patterned(config.get("rank_pattern"), module, rows)
    alpha = _patterned(config.get("alpha_pattern"), module, config["lora_alpha"])
    scaling = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
    return Pair(file, a, b, float(scaling), is_transposed=is_table or bool(config.get("fan_in_fan_out")))


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
