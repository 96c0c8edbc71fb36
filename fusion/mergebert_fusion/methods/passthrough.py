"""Tensors as they are: for recipes that stack slices of models upon each other.

W = scale * W_1. mergekit's method of this name; no paper.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.contract.parameters import setting


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """What a recipe may set for a tensor of the model."""

    scale: float = setting(1.0, "multiplies the tensor")


def passed(block: Block[None, ModelParameters, None]) -> Tensor:
    """The tensor of the one model, scaled."""
    return block.models[0] * block.each[0].scale


METHOD = MergeMethod(
    name="passthrough",
    summary="the tensors of one model as they are, for stacking slices",
    reference="mergekit, no paper",
    family=Family.LAYERS,
    base=BaseUse.UNUSED,
    model_parameters=ModelParameters,
    least_models=1,
    most_models=1,
    same_start=False,
    merge=passed,
    grain=Grain.ELEMENT,
)
