"""Model Breadcrumbs: the middle of each task vector, without its outliers and without its small entries, added up.

Of n magnitudes in a tensor, the gamma n largest are removed, and of the others the density n largest are kept;
W = W_0 + scaling * sum_t weight_t d'_t. Davari and Belilovsky, arXiv 2312.06795; the body of the paper could not be
read. Names and the default gamma are mergekit's; the example of the authors' repository keeps 0.2 and removes 0.1.

The authors' code (TaskVectorMiddleKeep) takes the shares of each row along the last dimension: `within: row`. It leaves
scalars whole and empties rows of fewer than 1 / density elements; here something is always kept (the nearest whole
number to density n, at least one), and the outliers are fewer where they would leave too little. mergekit 0.1.4
emptied every tensor in which gamma n < 1. Equal magnitudes rank in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.contract.parameters import setting
from mergebert_fusion.maths.sparsify import kept_count, largest_mask, masked
from mergebert_fusion.methods import task_arithmetic


def within_setting() -> Any:
    """The dataclass field for what density and gamma are shares of."""
    return setting(
        "tensor",
        "what the shares are taken of: each tensor, or each row (the authors' code)",
        choices=("tensor", "row"),
        varies=False,
    )


@dataclass(frozen=True, slots=True)
class Parameters(task_arithmetic.Parameters):
    """What a recipe may set for a tensor, or for the whole merge."""

    within: str = within_setting()


@dataclass(frozen=True, slots=True)
class ModelParameters(task_arithmetic.ModelParameters):
    """What a recipe may set for a tensor of one model."""

    density: float = setting(0.2, "the share of entries that is kept", at_least=0, at_most=1)
    gamma: float = setting(0.01, "the share of largest entries that is removed", at_least=0, at_most=1)


def middles(block: Block[Any, Any, Any]) -> list[Tensor]:
    """The task vectors, sparsified: 0 in place of outliers and small entries."""
    middle = _row_middle if block.parameters.within == "row" else _middle
    vectors = zip(block.task_vectors, block.each, strict=True)
    return [masked(vector, middle(vector.abs(), own)) for vector, own in vectors]


def _middle(magnitudes: Tensor, model: ModelParameters) -> Tensor:
    outliers, left = _counts(magnitudes.numel(), model)
    return largest_mask(magnitudes, outliers + left) & ~largest_mask(magnitudes, outliers)


def _row_middle(magnitudes: Tensor, model: ModelParameters) -> Tensor:
    outliers, left = _counts(magnitudes.shape[-1], model)
    order = torch.argsort(magnitudes, dim=-1, descending=True, stable=True)
    chosen = order[..., outliers : outliers + left]
    return torch.zeros_like(magnitudes, dtype=torch.bool).scatter_(-1, chosen, True)


def _counts(count: int, model: ModelParameters) -> tuple[int, int]:
    """How many outliers go and how many of the next largest stay."""
    left = kept_count(model.density, count)
    return min(int(model.gamma * count), count - left), left


def breadcrumbs(block: Block[Parameters, ModelParameters, None]) -> Tensor:
    """W_0 + scaling * sum_t weight_t d'_t."""
    return task_arithmetic.base_plus_sum(block, middles(block))


def grain(parameters: Any) -> Grain:
    """Whole tensors or whole rows: what the shares are taken of."""
    return Grain.ROW if parameters.within == "row" else Grain.TENSOR


METHOD = MergeMethod(
    name="breadcrumbs",
    summary="task arithmetic without the largest and the smallest changes",
    reference="Davari and Belilovsky, Model Breadcrumbs, arXiv 2312.06795",
    family=Family.TASK_VECTORS,
    base=BaseUse.REQUIRED,
    parameters=Parameters,
    model_parameters=ModelParameters,
    check=task_arithmetic.check,
    merge=breadcrumbs,
    grain=grain,
)
