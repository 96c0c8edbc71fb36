"""Simple and weighted averaging (model soups).

W = sum_t a_t W_t / sum_t a_t, with a_t = 1 unless a recipe says otherwise. Wortsman et al., arXiv 2203.05482.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mergebert_fusion.arithmetic import normalised, weighted_sum
from mergebert_fusion.block import Block, Grain
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.method import Base, Family, MergeMethod
from mergebert_fusion.parameters import setting


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a recipe may set for a tensor."""

    normalize: bool = setting(True, "divide the weights by their sum")


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """What a recipe may set for a tensor of one model."""

    weight: float = setting(1.0, "how much this model counts")


def average(block: Block[Parameters, ModelParameters, None]) -> Tensor:
    """sum_t a_t W_t, the weights divided by their sum unless told otherwise."""
    weights = [model.weight for model in block.each]
    return weighted_sum(block.models, normalised(weights) if block.parameters.normalize else weights)


def check(parameters: Parameters, each: tuple[ModelParameters, ...], names: tuple[str, ...]) -> None:
    """Refuses weights that cannot be divided by their sum."""
    if parameters.normalize and abs(sum(model.weight for model in each)) < 1e-12:
        raise RecipeError("The weights add up to 0: change them, or set normalize to false.")


METHOD = MergeMethod(
    name="average",
    aliases=("linear",),
    summary="the (weighted) mean of the models",
    source="Wortsman et al., Model soups, arXiv 2203.05482",
    family=Family.AVERAGES,
    base=Base.UNUSED,
    parameters=Parameters,
    model_parameters=ModelParameters,
    check=check,
    merge=average,
    grain=Grain.ELEMENT,
)
