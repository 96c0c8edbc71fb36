"""DELLA: drop small entries more often than large ones, rescale, then merge what agrees in sign.

1. Drop (MagPrune): within each row, the entry of magnitude rank r = 0 .. n-1 (smallest first) is kept with probability
   density - epsilon + 2 epsilon r / (n - 1), and divided by that probability when it is kept.
2. Elect: g = sign(sum_t weight_t d'_t), + where the sum is 0.
3. Fuse: W = W_0 + scaling * the weighted mean of the d'_t that have the sign g.
Deep, Bhardwaj and Poria, arXiv 2406.11617; the body of the paper could not be read, steps and defaults (drop rate 0.3,
window 2 epsilon = 0.14) are those of the authors' code.

That code, and mergekit's, divides 0 by 0 on rows of one element: here such an element is kept with probability density.
Entries of equal magnitude rank in their order. mergekit keeps the L1 norm of the tensor (`rescale: l1`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.contract.parameters import setting
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.maths.arithmetic import rows_of
from mergebert_fusion.maths.sparsify import masked_and_rescaled
from mergebert_fusion.methods import task_arithmetic
from mergebert_fusion.methods.dare_ties import Parameters
from mergebert_fusion.methods.ties import base_plus_elected


@dataclass(frozen=True, slots=True)
class ModelParameters(task_arithmetic.ModelParameters):
    """What a recipe may set for a tensor of one model."""

    density: float = setting(0.7, "the share of entries that is kept on average", at_least=0, at_most=1)
    epsilon: float = setting(
        0.07, "how much likelier than density the largest of a row is kept, and the smallest less", at_least=0
    )


def probabilities(vector: Tensor, density: float, epsilon: float) -> Tensor:
    """How likely each entry is kept, by the rank of its magnitude in its row."""
    count = vector.shape[-1]
    steps = torch.arange(count, dtype=torch.float64) * (2 * epsilon / max(1, count - 1))
    by_rank = steps + (density - epsilon if count > 1 else density)
    order = torch.argsort(vector.abs(), dim=-1, stable=True)
    spread = by_rank.to(vector).expand_as(vector)
    return torch.empty_like(vector).scatter_(-1, order, spread)


def pruned(block: Block[Any, Any, Any]) -> list[Tensor]:
    """The task vectors, sparsified: entries dropped at random by their rank and the rest rescaled."""
    vectors = zip(block.task_vectors, block.each, strict=True)
    return [_pruned(v, block.uniform(i), own, block.parameters.rescale) for i, (v, own) in enumerate(vectors)]


def _pruned(vector: Tensor, drawn: Tensor, model: ModelParameters, rescale: str) -> Tensor:
    if model.density == 1:
        return vector
    if model.density == 0:
        return torch.zeros_like(vector)
    rows = rows_of(vector)
    probability = probabilities(rows, model.density, model.epsilon)
    mask = drawn.reshape(rows.shape) < probability
    return masked_and_rescaled(rows, mask, probability, rescale).reshape(vector.shape)


def della(block: Block[Parameters, ModelParameters, None]) -> Tensor:
    """W_0 + scaling * the disjoint mean of the pruned task vectors."""
    return base_plus_elected(block, pruned(block))


def grain(parameters: Any) -> Grain:
    """Whole rows, or the whole tensor where its L1 norm is needed."""
    return Grain.TENSOR if parameters.rescale == "l1" else Grain.ROW


def check(parameters: Any, each: tuple[ModelParameters, ...], names: tuple[str, ...]) -> None:
    """Refuses an epsilon whose probabilities leave (0, 1]; a density of 0 or 1 leaves nothing to draw."""
    for name, model in zip(names, each, strict=True):
        least, most = model.density - model.epsilon, model.density + model.epsilon
        if 0 < model.density < 1 and (least <= 0 or most > 1):
            raise RecipeError(
                f"Density {model.density} of {name} with epsilon {model.epsilon} keeps entries with probabilities from "
                f"{least:.3g} to {most:.3g}: choose an epsilon that stays within 0 and 1."
            )


METHOD = MergeMethod(
    name="della",
    summary="small changes dropped at random more often than large ones, merged where they agree in sign",
    reference="Deep et al., DELLA-Merging, arXiv 2406.11617",
    family=Family.TASK_VECTORS,
    base=BaseUse.REQUIRED,
    parameters=Parameters,
    model_parameters=ModelParameters,
    check=check,
    merge=della,
    grain=grain,
)
