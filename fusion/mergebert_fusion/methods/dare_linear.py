"""DARE: drop entries of the task vectors at random, rescale those that are left, and add them up.

d'_t = m * d_t / (1 - p) with m ~ Bernoulli(1 - p), so that the expectation of d'_t is d_t;
W = W_0 + scaling * sum_t weight_t d'_t. Yu et al., Language Models are Super Mario, arXiv 2311.03099.

A recipe gives the density 1 - p. The authors' code (MergeLM) rescales only on request and drops a tenth by default;
its examples, and the default here, drop nine tenths and rescale. mergekit does not divide by 1 - p: it multiplies each
tensor so that its sum of magnitudes is kept, which depends on the draw and keeps no expectation. That is
`rescale: l1` here. Masks belong to seed, model, tensor and element: no order, split, device or thread can change them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.contract.parameters import setting
from mergebert_fusion.maths.sparsify import masked_and_rescaled, rescale_setting
from mergebert_fusion.methods import task_arithmetic


@dataclass(frozen=True, slots=True)
class Parameters(task_arithmetic.Parameters):
    """What a recipe may set for a tensor, or for the whole merge."""

    rescale: str = rescale_setting()


@dataclass(frozen=True, slots=True)
class ModelParameters(task_arithmetic.ModelParameters):
    """What a recipe may set for a tensor of one model."""

    density: float = setting(0.1, "the share of entries that is kept: 1 - drop rate", at_least=0, at_most=1)


def dropped(block: Block[Any, Any, Any]) -> list[Tensor]:
    """The task vectors, sparsified: random entries dropped and the rest rescaled."""
    return [
        masked_and_rescaled(vector, block.uniform(i) < model.density, model.density, block.parameters.rescale)
        for i, (vector, model) in enumerate(zip(block.task_vectors, block.each, strict=True))
    ]


def dare_linear(block: Block[Parameters, ModelParameters, None]) -> Tensor:
    """W_0 + scaling * sum_t weight_t d'_t."""
    return task_arithmetic.base_plus_sum(block, dropped(block))


def grain(parameters: Any) -> Grain:
    """Elements, or the whole tensor where its L1 norm is needed."""
    return Grain.TENSOR if parameters.rescale == "l1" else Grain.ELEMENT


METHOD = MergeMethod(
    name="dare_linear",
    summary="task arithmetic with most entries dropped at random and the rest rescaled",
    reference="Yu et al., Language Models are Super Mario (DARE), arXiv 2311.03099",
    family=Family.TASK_VECTORS,
    base=BaseUse.REQUIRED,
    parameters=Parameters,
    model_parameters=ModelParameters,
    check=task_arithmetic.check,
    merge=dare_linear,
    grain=grain,
)
