"""Simple and weighted averaging (model soups).

W = sum_t a_t W_t / sum_t a_t, with a_t = 1 unless a recipe says otherwise. Wortsman et al., arXiv 2203.05482.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.contract.parameters import setting
from mergebert_fusion.maths.arithmetic import weighted_sum
from mergebert_fusion.methods.task_arithmetic import check, weights_of


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a recipe may set for a tensor."""

    normalize: bool = setting(True, "divide the weights by their sum")


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """What a recipe may set for a tensor of one model."""

    weight: float = setting(1.0, "how much this model counts")


def average(block: Block[Parameters, ModelParameters, None]) -> Tensor:
    """sum_t a_t W_t, the weights divided by their sum under `normalize`."""
    return weighted_sum(block.models, weights_of(block))


METHOD = MergeMethod(
    name="average",
    aliases=("linear",),
    summary="the (weighted) mean of the models",
    reference="Wortsman et al., Model soups, arXiv 2203.05482",
    family=Family.AVERAGES,
    base=BaseUse.UNUSED,
    parameters=Parameters,
    model_parameters=ModelParameters,
    check=check,
    merge=average,
    grain=Grain.ELEMENT,
)
